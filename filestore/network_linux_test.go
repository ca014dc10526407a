package filestore

// White-box because no test can mount a network file system: the one that the test's
// directory is on stands for it.

import (
	"os"
	"strings"
	"testing"
)

func TestOpenRefusesNetworkFileSystems(t *testing.T) {
	for _, magic := range []uint32{0x6969, 0xff534d42, 0xfe534d42, 0x65735546} { // NFS, SMB, SMB2, FUSE: statfs(2)
		if networkFS[magic] == "" {
			t.Errorf("%#x is not in the list", magic)
		}
	}
	for _, magic := range []uint32{0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x01021994, 0x794c7630} { // ext4, XFS, Btrfs, ZFS, tmpfs, overlayfs
		if networkFS[magic] != "" {
			t.Errorf("%#x is in the list", magic)
		}
	}

	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	here, err := magicOf(root)
	if err != nil {
		t.Fatal(err)
	}
	if was, ok := networkFS[here]; ok { // the tests themselves run on one
		defer func() { networkFS[here] = was }()
	} else {
		defer delete(networkFS, here)
	}
	networkFS[here] = "the test's"

	s, err := Open(dir, nil)
	if err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
	for _, word := range []string{dir, "network file system (the test's)", "Options.InsecureNetworkFS"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	s, err = Open(dir, &Options{InsecureNetworkFS: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
