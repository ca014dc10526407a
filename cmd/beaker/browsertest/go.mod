module github.com/seed12c5fab1/beaker/cmd/beaker/browsertest

// As the command that is tested; see there.
go 1.26.0

replace (
	github.com/seed12c5fab1/beaker => ../../../
	github.com/seed12c5fab1/beaker/cmd/beaker => ../
)

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/seed12c5fab1/beaker v0.0.0
	github.com/seed12c5fab1/beaker/cmd/beaker v0.0.0
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/mileusna/useragent v1.3.5 // indirect
)
