//go:build darwin || freebsd || netbsd

package datadir

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode returns the device, the inode, its change time and the owner of a file. Programs cannot set the change time.
func inode(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Dev, " ", st.Ino, " ", st.Ctimespec.Sec, " ", st.Ctimespec.Nsec, " ", st.Uid)
	}
	return ""
}
