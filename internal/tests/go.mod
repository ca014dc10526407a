module github.com/seed12c5fab1/beaker/internal/tests

go 1.25.0

replace github.com/seed12c5fab1/beaker => ../..

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/seed12c5fab1/beaker v0.0.0
	go.uber.org/goleak v1.3.0
)

require pgregory.net/rapid v1.3.0

require (
	golang.org/x/net v0.57.0
	golang.org/x/text v0.40.0 // indirect
)
