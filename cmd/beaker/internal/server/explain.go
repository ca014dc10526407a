package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/seed12c5fab1/beaker"
)

// What the system says is kept, because it is what one searches for; what to do about
// it is added, with the flag that does it.

func explainListen(addr string, err error) error {
	var dns *net.DNSError
	var form *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w\nend the program that has this address, or choose another: --addr localhost:0 takes any free port", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w\nports below 1024 are for root: choose a higher one, for example --addr localhost:8080", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w\n--addr wants an address of this machine; --addr :8080 stands for all of them", err)
	case errors.As(err, &form), errors.As(err, &dns):
		return fmt.Errorf("%w\n--addr wants HOST:PORT, for example localhost:8080, and was given %q", err, addr)
	}
	return fmt.Errorf("%w\n--addr chooses another address", err)
}

func explainData(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("data folder: %w\nchoose another with --data, or get the right to write there", err)
	}
	return fmt.Errorf("data folder: %w\nchoose another with --data, or take away what is in the way", err)
}

// explainConfig names the flag: whoever types it does not know the field.
func explainConfig(err error) error {
	var field *beaker.ConfigError
	if errors.As(err, &field) && strings.HasSuffix(field.Field, "InsecureHosts") {
		return fmt.Errorf("--insecure-host: %w", err)
	}
	return err
}
