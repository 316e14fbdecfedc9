package datadir

import "golang.org/x/sys/windows"

// FreeBytes returns the number of bytes that this user may still write to the file system of a directory.
func FreeBytes(dir string) (uint64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(path, &free, nil, nil)
	return free, err
}

// alive reports whether a process exists.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return false
	}
	_ = windows.CloseHandle(h)
	return true
}

// SyncDir does nothing: NTFS journals names, and directories cannot be flushed.
func SyncDir(string) error { return nil }
