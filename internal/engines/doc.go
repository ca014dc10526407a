// Package engines starts the real servers that tests and benchmarks run against, each
// on a free loopback port with a temporary folder of its own, and ends them again. It
// runs on Linux, as root too: servers that refuse root run as the account that their
// Debian package made.
//
// Programs come from the system's packages; what is missing is named in the error.
package engines
