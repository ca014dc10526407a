module github.com/seed12c5fab1/beaker/internal/tests

go 1.25.0

replace github.com/seed12c5fab1/beaker => ../..
