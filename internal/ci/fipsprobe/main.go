// Command fipsprobe fails unless it runs under GODEBUG=fips140=only: the tests of
// that mode would pass without it, too.
package main

import (
	"crypto/fips140"
	"crypto/rc4" //nolint:gosec // the point is that it is refused
	"fmt"
	"os"
)

func main() {
	if !fips140.Enabled() {
		fmt.Println("FIPS 140 mode is off")
		os.Exit(1)
	}
	if _, err := rc4.NewCipher([]byte("0123456789abcdef")); err == nil { //nolint:gosec // the point is that it is refused
		fmt.Println("FIPS 140 mode does not refuse RC4")
		os.Exit(1)
	}
}
