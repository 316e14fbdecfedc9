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

// A power cut, simulated. The program runs under strace, which records every write, truncation and flush of the store's
// files, and every acknowledgement, in the order in which they happened. A cut is a place in this record. What was
// written before a flush that had ended by then is on the disk. Of what was written since, the disk may hold nothing,
// everything, or some sectors and not others, in whatever order: each is tried. The laws:
//
//  1. the store opens, and everything that was acknowledged before the cut is in it, under its seq and id;
//  2. it passes its check.
//
// What must hold of the machine: a flush that returned has reached what survives the cut (the drive does not lie about its
// cache), a write does not damage sectors it does not touch, and directory entries are kept once their directory is
// flushed, which the program does before its first acknowledgement.

// call is one entry of the record.
type call struct {
	what string // write, cut (a truncation), gone (a removal), flush, flushed, ack
	file string // base name
	off  int64
	data []byte
	seq  int64 // of an ack
	id   string
}

// record runs the program under strace until it has printed a number of lines, and returns its calls up to the closing of the files.
func record(t *testing.T, salt string, lines int) []call {
	t.Helper()
	return recordIn(t, inboxtest.Dir(t), salt, lines)
}

// recordIn is record in a directory that may have a store.
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
	o.hear(t, out, after(lines, func() { in.Close() }))
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
	open := map[string]string{} // by thread: the arguments of the call it is in
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
				return calls // it closes the store
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

// arguments takes the arguments of a call apart.
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

// begun returns what counts from the beginning of a call: a flush covers what was written before it, and who was
// acknowledged to knows no later than this.
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

// fileOf returns the name of a file in the data directory, "." for the directory. The store's key is written under
// another name first, and so is a new database.
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
	if name == "inbox.db.new" { // under which it is made
		name = "inbox.db"
	}
	return name, true
}

// ended returns what has happened at the end of a call.
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
			t.Fatalf("a write of %s was recorded only in part", file)
		}
		return []call{{what: "write", file: file, off: number(), data: []byte(unhex(a.text))}}
	case "write": // of the key and the lock, whole and from the beginning
		return []call{{what: "write", file: file, data: []byte(unhex(a.text))}}
	case "ftruncate":
		return []call{{what: "cut", file: file, off: number()}}
	case "fsync", "fdatasync":
		return []call{{what: "flushed", file: file}}
	}
	return nil
}

// disk is the files at some place in the record.
type disk struct {
	kept    map[string][]byte // what is on the disk for sure
	pending map[string][]call // what was done since
	covered map[string]int    // how much of that a flush under way covers
	acks    []call
}

func newDisk() *disk {
	return &disk{kept: map[string][]byte{}, pending: map[string][]call{}, covered: map[string]int{}}
}

// step advances in the record by one entry.
func (d *disk) step(c call) {
	switch c.what {
	case "write", "cut":
		d.pending[c.file] = append(d.pending[c.file], c)
	case "flush":
		d.covered[c.file] = len(d.pending[c.file])
	case "flushed":
		n := min(d.covered[c.file], len(d.pending[c.file]))
		for _, p := range d.pending[c.file][:n] {
			d.kept[c.file] = p.on(d.kept[c.file])
		}
		d.pending[c.file], d.covered[c.file] = d.pending[c.file][n:], 0
	case "gone": // the journal with which the file was made, before the first acknowledgement and a flush of the directory
		delete(d.kept, c.file)
		delete(d.pending, c.file)
	case "ack":
		d.acks = append(d.acks, c)
	}
}

// on does a write or a truncation to a file.
func (c call) on(file []byte) []byte {
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

// lose returns the files as a cut may leave them: how is nothing (of what was not flushed), all, or some.
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
				file = c.on(file)
			case how == "nothing":
			case c.what == "cut":
				if chance.IntN(2) == 0 {
					file = c.on(file)
				}
			default:
				file = c.torn(file, chance)
			}
		}
		files[name] = file
	}
	return files
}

// torn does some sectors of a write.
func (c call) torn(file []byte, chance *rand.Rand) []byte {
	for at := int64(0); at < int64(len(c.data)); {
		next := min(int64(len(c.data)), ((c.off+at)/sector+1)*sector-c.off)
		if chance.IntN(2) == 0 {
			file = call{what: "write", off: c.off + at, data: c.data[at:next]}.on(file)
		}
		at = next
	}
	return file
}

// lostAt cuts the power and returns how many of the acknowledged events are not there, or an error when the store
// cannot be opened or fails its check.
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
			return 0, nil // nothing was promised yet
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
