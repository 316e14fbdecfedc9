package datadir

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode is what the system alone sets.
func inode(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Dev, " ", st.Ino, " ", st.Ctim.Sec, " ", st.Ctim.Nsec, " ", st.Uid)
	}
	return ""
}
