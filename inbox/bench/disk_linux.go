package bench

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fileSystems has the names of the most common file systems on Linux (statfs(2)).
var fileSystems = map[int64]string{
	unix.BTRFS_SUPER_MAGIC: "btrfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.F2FS_SUPER_MAGIC: "f2fs", unix.FUSE_SUPER_MAGIC: "fuse",
	unix.NFS_SUPER_MAGIC: "nfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.RAMFS_MAGIC: "ramfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.XFS_SUPER_MAGIC: "xfs", 0x2fc12fc1: "zfs", 0x01021997: "9p",
}

// fileSystem returns the name of a directory's file system. For a file system in memory it also returns why a flush has no effect.
func fileSystem(dir string) (name, why string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown", fmt.Sprintf("cannot read the type of the file system: %v", err)
	}
	name = fileSystems[int64(st.Type)] //nolint:unconvert // its size differs by architecture
	switch name {
	case "":
		name = fmt.Sprintf("0x%x", st.Type)
	case "tmpfs", "ramfs":
		why = name + " keeps everything in memory, so a flush costs nothing: choose a directory on a disk with --dir"
	}
	return name, why
}
