//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore_test

func systemRoles() map[string]func(dir string, n int) error { return nil }
