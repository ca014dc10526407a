// Package browsertest tests the demonstration in a real browser, Debian's Chromium. It
// is a module of its own, so that whoever installs the command does not inherit the
// browser's protocol, and it is never released.
package browsertest
