// Package redistest holds the tests of redisstore with real servers: a single one, a
// cluster of three masters and three replicas, and a master with a replica that three
// sentinels watch. It is a module of its own, never released: it requires
// Shopify/toxiproxy, which breaks connections in the ways that networks do, and which
// nobody who uses redisstore needs.
//
// The tests start the servers themselves, on free ports and in temporary folders, and
// stop them by their process id. A server that cannot be started fails the tests that
// need it. With BEAKER_SOAK=1 the races are longer and some tests print reports.
package redistest
