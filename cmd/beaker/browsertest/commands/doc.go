// Package commands tests what the documents tell people to type to see the
// demonstration: in a real shell, with a real curl and on real servers. It is here and
// not beside the command because the tests of what is released also run where MD5 and
// SHA-1 are forbidden, with which PostgreSQL and MariaDB ask for passwords in tests.
package commands
