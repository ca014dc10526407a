module github.com/seed12c5fab1/beaker/cmd/beaker

go 1.25.0

require (
	github.com/mileusna/useragent v1.3.5
	github.com/rogpeppe/go-internal v1.16.0
	github.com/seed12c5fab1/beaker v0.0.0
	github.com/spf13/cobra v1.10.2
	golang.org/x/net v0.56.0
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/sys v0.46.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)

replace github.com/seed12c5fab1/beaker => ../../
