module github.com/seed12c5fab1/beaker/examples

go 1.25.0

require (
	// A router that many use; it takes the middleware as it is.
	github.com/go-chi/chi/v5 v5.5.0
	github.com/seed12c5fab1/beaker v0.0.0
)

replace github.com/seed12c5fab1/beaker => ../
