package inboxtest

import (
	"os"
	"sync"
)

// CompileCache returns the directory in which tests share compiled modules: INBOX_TEST_CACHE, or a temporary directory of this process,
// which [RemoveCompileCache] removes. Compiling a Go module under the race detector takes ten seconds and more. Tests of
// the cache itself have directories of their own.
func CompileCache() string { return cacheDir() }

// RemoveCompileCache removes the temporary directory of CompileCache. A TestMain calls it.
func RemoveCompileCache() {
	if os.Getenv(cacheEnv) == "" {
		_ = os.RemoveAll(cacheDir()) // what is left is in the system's directory of temporary files
	}
}

const cacheEnv = "INBOX_TEST_CACHE"

var cacheDir = sync.OnceValue(func() string {
	if dir := os.Getenv(cacheEnv); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("", "inbox-compiled-")
	if err != nil {
		return "" // no cache
	}
	return dir
})
