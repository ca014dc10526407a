module github.com/seed12c5fab1/beaker/redisstore

go 1.25.0

replace github.com/seed12c5fab1/beaker => ../

require (
	github.com/redis/rueidis v1.0.79
	github.com/seed12c5fab1/beaker v0.0.0-00010101000000-000000000000
)

require golang.org/x/sys v0.47.0 // indirect
