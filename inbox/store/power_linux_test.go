package store_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/store"
)

// These tests simulate power cuts. The program runs under strace, which records every write, truncation and flush of the store's
// files, and every acknowledgement, in order. A cut is a place in this record. Writes before a flush that had ended are on the
// disk. Of the later writes, the disk may have none, all, or any of their sectors; the tests try each case. The laws:
//
//  1. the store opens and has every event that was acknowledged before the cut, under its seq and id;
//  2. the store passes its check.
//
// Assumptions about the machine: data of a flush that returned survives the cut (the drive does not lie about its cache), a write
// does not damage other sectors, and directory entries survive once their directory is flushed. The program flushes the directory
// before its first acknowledgement.

// call is one entry of the record.
type call struct {
	what string // write, cut (a truncation), gone (a removal), flush (its begin), flushed (its end), ack
	file string // base name
	off  int64
	data []byte
	seq  int64 // of an ack
	id   string
}

// record runs the program under strace until it has printed a number of lines. It returns the calls before the store is closed.
func record(t *testing.T, salt string, lines int) []call {
	t.Helper()
	return recordIn(t, inboxtest.Dir(t), salt, lines)
}

// recordIn is record in a given directory, which may have a store.
func recordIn(t *testing.T, dir, salt string, lines int) []call {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		missing(t, "strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd, in, out := spawn(t, dir, salt, strace, "-f", "-y", "-xx", "-s", "200000", "-qq", "-o", trace,
		"-e", "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat", "-e", "signal=none")
	o := &oracle{acked: map[string]inbox.Receipt{}}
	o.read(t, out, after(lines, func() { in.Close() }))
	if err := cmd.Wait(); err != nil && len(o.acked) == 0 {
		t.Skipf("strace cannot trace here: %v", err)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return parse(t, f, dir)
}

// parse reads a trace.
func parse(t *testing.T, f *os.File, dir string) []call {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	open := map[string]string{} // by thread: the arguments of its unfinished call
	var calls []call
	for lines.Scan() {
		thread, text, _ := strings.Cut(lines.Text(), " ")
		text = strings.TrimLeft(text, " ")
		if rest, ok := strings.CutPrefix(text, "<... "); ok { // NAME resumed>ARGS) = RESULT
			name, rest, _ := strings.Cut(rest, " resumed>")
			tail, result := outcome(rest)
			calls = append(calls, ended(t, name, arguments(open[thread]+tail), result, dir)...)
			continue
		}
		name, rest, ok := strings.Cut(text, "(")
		if !ok {
			continue
		}
		if args, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			open[thread] = args
			calls = append(calls, begun(name, arguments(args), dir)...)
			continue
		}
		args, result := outcome(rest)
		if strings.HasPrefix(name, "unlink") {
			gone, ours := fileOf(arguments(args).text, dir)
			if gone == "inbox.db-wal" && len(calls) > 0 {
				return calls // SQLite removes the log when the store is closed
			}
			if ours && !strings.HasPrefix(result, "-") {
				calls = append(calls, call{what: "gone", file: gone})
			}
			continue
		}
		calls = append(calls, begun(name, arguments(args), dir)...)
		calls = append(calls, ended(t, name, arguments(args), result, dir)...)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

// args are the arguments of a call: FD<PATH>, "TEXT", REST.
type args struct{ fd, path, text, rest string }

// arguments parses the arguments of a call.
func arguments(list string) (a args) {
	head, rest, quoted := strings.Cut(list, `"`)
	if quoted {
		a.text, a.rest, _ = strings.Cut(rest, `"`)
	}
	fd, more, _ := strings.Cut(head, "<")
	path, tail, _ := strings.Cut(more, ">")
	if a.fd, a.path = fd, path; !quoted {
		a.rest = tail
	}
	return a
}

// outcome splits the end of a call off: ") = RESULT".
func outcome(text string) (args, result string) {
	at := strings.LastIndex(text, ") ")
	if at < 0 {
		return text, ""
	}
	_, result, _ = strings.Cut(text[at:], "= ")
	return text[:at], result
}

func unhex(text string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		return text
	}
	return string(b)
}

// begun returns the entries for the beginning of a call. A flush covers the writes before its beginning. The receiver of an
// acknowledgement may have it from the beginning of the write.
func begun(name string, a args, dir string) []call {
	file, ours := fileOf(a.path, dir)
	switch {
	case (name == "fsync" || name == "fdatasync") && ours:
		return []call{{what: "flush", file: file}}
	case name == "write" && a.fd == "1":
		var acks []call
		for line := range strings.Lines(unhex(a.text)) {
			c := call{what: "ack"}
			if n, _ := fmt.Sscanf(line, "ack %d %s", &c.seq, &c.id); n == 2 {
				acks = append(acks, c)
			}
		}
		return acks
	}
	return nil
}

// fileOf returns the name of a file in the data directory, "." for the directory. It maps the temporary names of the key and of a
// new database to their final names.
func fileOf(path, dir string) (string, bool) {
	if strings.HasPrefix(path, `\x`) {
		path = unhex(path)
	}
	name, err := filepath.Rel(dir, path)
	if err != nil || strings.HasPrefix(name, "..") || strings.HasSuffix(name, "-shm") {
		return "", false
	}
	if strings.HasPrefix(name, "store.key") {
		name = "store.key"
	}
	if name == "inbox.db.new" {
		name = "inbox.db"
	}
	return name, true
}

// ended returns the entries for the end of a call.
func ended(t *testing.T, name string, a args, result, dir string) []call {
	file, ours := fileOf(a.path, dir)
	if !ours || strings.HasPrefix(result, "-") {
		return nil
	}
	rest := strings.Split(strings.Trim(a.rest, ", "), ", ")
	number := func() int64 {
		n, err := strconv.ParseInt(rest[len(rest)-1], 10, 64)
		if err != nil {
			t.Fatalf("%s of %s, %q: %v", name, a.path, a.rest, err)
		}
		return n
	}
	switch name {
	case "pwrite64":
		if strings.HasPrefix(a.rest, "...") {
			t.Fatalf("strace truncated a write of %s", file)
		}
		return []call{{what: "write", file: file, off: number(), data: []byte(unhex(a.text))}}
	case "write": // of the key and the lock, which are written by one call
		return []call{{what: "write", file: file, data: []byte(unhex(a.text))}}
	case "ftruncate":
		return []call{{what: "cut", file: file, off: number()}}
	case "fsync", "fdatasync":
		return []call{{what: "flushed", file: file}}
	}
	return nil
}

// disk is the state of the files at a place in the record.
type disk struct {
	kept    map[string][]byte // the flushed contents
	pending map[string][]call // the calls that are not flushed
	covered map[string]int    // the number of pending calls that a running flush covers
	acks    []call
}

func newDisk() *disk {
	return &disk{kept: map[string][]byte{}, pending: map[string][]call{}, covered: map[string]int{}}
}

// step applies the next entry of the record.
func (d *disk) step(c call) {
	switch c.what {
	case "write", "cut":
		d.pending[c.file] = append(d.pending[c.file], c)
	case "flush":
		d.covered[c.file] = len(d.pending[c.file])
	case "flushed":
		n := min(d.covered[c.file], len(d.pending[c.file]))
		for _, p := range d.pending[c.file][:n] {
			d.kept[c.file] = p.apply(d.kept[c.file])
		}
		d.pending[c.file], d.covered[c.file] = d.pending[c.file][n:], 0
	case "gone": // the journal of the new database, before the first acknowledgement and a flush of the directory
		delete(d.kept, c.file)
		delete(d.pending, c.file)
	case "ack":
		d.acks = append(d.acks, c)
	}
}

// apply applies a write or a truncation to a file.
func (c call) apply(file []byte) []byte {
	if c.what == "cut" {
		if int64(len(file)) > c.off {
			return file[:c.off]
		}
		return append(file, make([]byte, c.off-int64(len(file)))...)
	}
	if end := c.off + int64(len(c.data)); int64(len(file)) < end {
		file = append(file, make([]byte, end-int64(len(file)))...)
	}
	copy(file[c.off:], c.data)
	return file
}

const sector = 512

// lose returns the files as a cut may leave them. how selects the unflushed calls that reach the disk: nothing, all, or some.
func (d *disk) lose(how string, chance *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for name, kept := range d.kept {
		files[name] = append([]byte(nil), kept...)
	}
	for name, list := range d.pending {
		file := files[name]
		for _, c := range list {
			switch {
			case how == "all":
				file = c.apply(file)
			case how == "nothing":
			case c.what == "cut":
				if chance.IntN(2) == 0 {
					file = c.apply(file)
				}
			default:
				file = c.torn(file, chance)
			}
		}
		files[name] = file
	}
	return files
}

// torn applies some sectors of a write.
func (c call) torn(file []byte, chance *rand.Rand) []byte {
	for at := int64(0); at < int64(len(c.data)); {
		next := min(int64(len(c.data)), ((c.off+at)/sector+1)*sector-c.off)
		if chance.IntN(2) == 0 {
			file = call{what: "write", off: c.off + at, data: c.data[at:next]}.apply(file)
		}
		at = next
	}
	return file
}

// lostAt simulates a power cut and returns the number of acknowledged events that are lost. It returns an error when the store
// cannot be opened. If check is set, it also checks the store.
func lostAt(t *testing.T, d *disk, how string, chance *rand.Rand, check bool) (lost int, err error) {
	dir := inboxtest.Dir(t)
	for name, b := range d.lose(how, chance) {
		if name == "." || name == "inbox.lock" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(ctx, store.SmallRuns(store.Options{Dir: dir, Create: true, MinFree: 1}, 64))
	if err != nil {
		if len(d.acks) == 0 {
			return 0, nil // no event was acknowledged yet
		}
		return 0, err
	}
	defer s.Close()
	events, err := s.EventsAfter(ctx, 0, 1<<30)
	if err != nil {
		return 0, err
	}
	for _, a := range d.acks {
		if a.seq > int64(len(events)) || events[a.seq-1].ID != a.id {
			lost++
		}
	}
	if check {
		inboxtest.Check(t, s)
	}
	return lost, nil
}
