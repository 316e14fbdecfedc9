package bench

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What Linux calls the file systems that are met most (statfs(2)).
var fileSystems = map[int64]string{
	unix.BTRFS_SUPER_MAGIC: "btrfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.F2FS_SUPER_MAGIC: "f2fs", unix.FUSE_SUPER_MAGIC: "fuse",
	unix.NFS_SUPER_MAGIC: "nfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.RAMFS_MAGIC: "ramfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.XFS_SUPER_MAGIC: "xfs", 0x2fc12fc1: "zfs", 0x01021997: "9p",
}

// fileSystem names the file system of a directory, and says why a flush means nothing there.
func fileSystem(dir string) (name, why string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown", fmt.Sprintf("cannot look at the file system: %v", err)
	}
	name = fileSystems[int64(st.Type)] //nolint:unconvert // its size differs by architecture
	switch name {
	case "":
		name = fmt.Sprintf("0x%x", st.Type)
	case "tmpfs", "ramfs":
		why = name + " keeps everything in memory, so that a flush costs nothing: choose a directory on a disk with --dir"
	}
	return name, why
}
