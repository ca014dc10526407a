package filestore

import (
	"fmt"
	"os"
	"syscall"
)

// networkFS are the file systems that are refused, by the number that statfs(2)
// gives for each.
var networkFS = map[uint32]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xfe534d42: "SMB",
	0xff534d42: "SMB (CIFS)",
	0x65735546: "FUSE",
	0x01021997: "9P",
	0x00c36400: "Ceph",
	0x0bd00bd0: "Lustre",
	0x5346414f: "AFS",
	0x6b414653: "AFS",
	0x73757245: "Coda",
	0x564c:     "NCP",
	0x786f4256: "VirtualBox shared folder",
}

// checkLocal refuses a directory on a network file system.
func checkLocal(root *os.Root, dir string) error {
	magic, err := magicOf(root)
	if err != nil {
		return failed("ask for the kind of file system", err)
	}
	if kind, ok := networkFS[magic]; ok {
		return fmt.Errorf("filestore: %s is on a network file system (%s), whose locks and renames cannot be relied on, so that writes and logouts could be lost: choose a local directory or another store, or set Options.InsecureNetworkFS if you know better", dir, kind)
	}
	return nil
}

func magicOf(root *os.Root) (uint32, error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close() // only read
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var st syscall.Statfs_t
	var statErr error
	if err := conn.Control(func(fd uintptr) { statErr = syscall.Fstatfs(int(fd), &st) }); err != nil {
		return 0, err
	}
	return uint32(st.Type), os.NewSyscallError("fstatfs", statErr) // the numbers have 32 bits, the field more or less
}
