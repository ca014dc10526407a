module github.com/seed12c5fab1/beaker/memcachestore/memcachetest

go 1.25.0

require (
	github.com/seed12c5fab1/beaker v0.0.0
	github.com/seed12c5fab1/beaker/memcachestore v0.0.0
)

require github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c // indirect

replace (
	github.com/seed12c5fab1/beaker => ../../
	github.com/seed12c5fab1/beaker/memcachestore => ../
)
