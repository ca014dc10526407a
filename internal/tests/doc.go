// Package tests holds the tests of beaker that need other modules: checkers of
// histories, property tests, servers and browsers. It is a module of its own, so
// that whoever imports beaker inherits none of them, and it is never released.
package tests
