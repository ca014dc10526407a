// Package sessiontest tests what is built on sessions: an application's handlers, and
// this project itself. It is for tests only, since it imports testing.
//
//   - [New] makes a manager for a test, on a store in memory and with a clock that
//     stands still.
//   - [Browser] treats cookies as browsers do, which net/http/cookiejar does not: it
//     refuses what they refuse, and says why.
//   - [Clock] is the time, moved by hand.
//   - [Events] records what the manager reported.
//   - [NewFaultStore] makes a store fail, hang or lose its answers where a test says so.
//   - [Race] forces requests that overlap into one order.
//
// Nothing here sleeps. Where something waits for other goroutines, a generous deadline
// turns a hanging test into one that fails and says what it waited for.
package sessiontest
