// Package memcachetest is the tests of memcachestore on real servers. They are apart,
// so that the store's users do not get their requirements.
package memcachetest
