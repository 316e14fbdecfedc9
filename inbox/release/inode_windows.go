package release

import "io/fs"

// inode tells two files of one name apart; this system does not say it cheaply.
func inode(fs.FileInfo) uint64 { return 0 }
