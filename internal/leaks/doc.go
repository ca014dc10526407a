// Package leaks finds bearer values where nobody may see them: in logs, errors, what a
// store keeps, what a response says. It is for the tests of this repository, needs
// nothing but the standard library, and is one line in a package's TestMain
//
//	func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }
//
// and one where a test has something that others may read:
//
//	leaks.Check(t, "the tables", dump)
//
// Watch learns every value that the library draws from crypto/rand, and so every sid,
// secret, key and salt of the whole run, whichever test caused it. Check knows them again
// raw, in hexadecimal, in base64 at any offset, in URLs, in quotes and as lists of
// numbers, also if only half of one is there.
package leaks
