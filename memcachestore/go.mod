module github.com/seed12c5fab1/beaker/memcachestore

go 1.25.0

// The client that most Go programs already have: small, no dependencies of its own, the
// text protocol that every memcached speaks.
require github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c

require github.com/seed12c5fab1/beaker v0.0.0

replace github.com/seed12c5fab1/beaker => ../
