module github.com/seed12c5fab1/beaker

go 1.25.0
