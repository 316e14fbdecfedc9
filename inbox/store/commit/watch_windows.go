package commit

import "os"

// watched is false because files that SQLite has open cannot be moved, removed or replaced on Windows.
const watched = false

type fileID struct{ dev, ino uint64 }

type fileStat struct {
	id   fileID
	size int64
}

func statFile(path string) (fileStat, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileStat{}, err
	}
	return fileStat{size: info.Size()}, nil
}

func lstatFile(path string) (fileStat, error) { return statFile(path) }

func links(os.FileInfo) uint64 { return 1 }
