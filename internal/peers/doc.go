// Package peers holds this library beside others: the same small application is
// written with each, as its documentation says to, and the same requests are sent to
// all of them. What they answer is the table in README.md, which the test compares, so
// that it says what these versions do and not what somebody remembers of them.
//
// The applications are written in the peers' favour: every error that a library
// returns is answered with 500, options that help are on.
package peers
