package commit

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkCheckFiles measures the check that no file is displaced. Each commit does it.
func BenchmarkCheckFiles(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	o := Options{Path: path}
	o.fill()
	f := &file{opt: &o}
	if err := f.connect(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer f.close()
	if err := f.conn.Script("CREATE TABLE notes (n INTEGER)"); err != nil {
		b.Fatal(err)
	}
	if err := f.startWatch(); err != nil {
		b.Fatal(err)
	}
	defer f.watch.close()
	for b.Loop() {
		if err := f.checkFiles(); err != nil {
			b.Fatal(err)
		}
	}
}
