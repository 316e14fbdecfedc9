package bench

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inbox/inbox"
)

func TestTheTableAndTheTrialsHaveTheSameFigures(t *testing.T) {
	t.Parallel()
	yields := map[string]int{}
	for _, tr := range trials {
		if tr.rounds < 1 || tr.begin == nil {
			t.Errorf("%s measures nothing", tr.name)
		}
		for _, name := range tr.figures {
			yields[name]++
		}
	}
	for _, g := range table {
		if yields[g.name] != 1 {
			t.Errorf("%s is measured by %d trials", g.name, yields[g.name])
		}
		if g.what == "" || (g.op == "") != (g.bound == 0) {
			t.Errorf("%s: %+v", g.name, g)
		}
		delete(yields, g.name)
	}
	if len(yields) > 0 {
		t.Errorf("measured but not in the table: %v", yields)
	}
}

func TestAFigureIsTheMedianOfItsRoundsAndMeetsItsBound(t *testing.T) {
	t.Parallel()
	l := &lab{values: map[string][]float64{
		"accept.one.vs_fsync": {0.9, 0.1, 0.8},      // at least 0.75
		"write.per_event":     {9, 1, 5.5, 4.5, 10}, // at most 5
		"disk.fsync":          {4, 2},               // no target
	}}
	got := l.figures()
	if len(got) != 3 {
		t.Fatalf("%d figures", len(got))
	}
	fsync, one, write := got[0], got[1], got[2]
	if fsync.Value != 3 || fsync.Met != nil || fsync.Target != "" {
		t.Errorf("without a target: %+v", fsync)
	}
	if one.Value != 0.8 || one.Min != 0.1 || one.Max != 0.9 || one.Target != ">= 0.75" || !*one.Met {
		t.Errorf("at least: %+v", one)
	}
	if write.Value != 5.5 || *write.Met {
		t.Errorf("at most: %+v", write)
	}
}

func TestAnUnknownFigureIsInvalidAndTheHintNamesTheNearest(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Options{Only: []string{"accept.ones"}})
	if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(inbox.HintOf(err), "accept.one") {
		t.Errorf("%v, hint %q", err, inbox.HintOf(err))
	}
	chosen, err := choose(Options{Only: []string{"write.per_event", "start"}})
	if err != nil || len(chosen) != 2 {
		t.Errorf("chosen %d, %v", len(chosen), err)
	}
}

func TestAQuickRunReportsSkippedFigures(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Options{Dir: t.TempDir(), Quick: true, Only: []string{"claim"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Figures) != 0 || len(r.Skipped) != 3 || !strings.Contains(r.Skipped[0].Why, "--quick") {
		t.Errorf("%+v", r)
	}
}

func TestARunOnAFileSystemInMemoryIsNotValid(t *testing.T) {
	t.Parallel()
	if name, _ := fileSystem("/dev/shm"); name != "tmpfs" {
		t.Skipf("/dev/shm is %s here, not a tmpfs", name)
	}
	if m := describe("/dev/shm"); m.Valid || !strings.Contains(m.Why, "--dir") {
		t.Errorf("%+v", m)
	}
}

// A quick run with one trial of every kind.
func TestARunMeasuresAndDeletesItsFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("keeps the disk busy for some seconds")
	}
	dir := t.TempDir()
	var steps []string
	var last, whole int64
	r, err := Run(t.Context(), Options{
		Dir: dir, Quick: true, Only: []string{"accept.one", "deliver.onekey", "guest.overhead", "guest.metered", "write", "outbox"},
		Progress: func(done, total int64, what string) {
			steps = append(steps, what)
			if done < last || done > total || whole != 0 && total != whole {
				t.Errorf("progress went from %d of %d to %d of %d", last, whole, done, total)
			}
			last, whole = done, total
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Figures {
		if f.Value <= 0 || f.Min > f.Value || f.Max < f.Value {
			t.Errorf("%+v", f)
		}
	}
	if len(r.Figures)+len(r.Skipped) != 13 {
		t.Errorf("figures %+v, skipped %+v", r.Figures, r.Skipped)
	}
	if last != whole || whole == 0 {
		t.Errorf("progress ended at %d of %d", last, whole)
	}
	if !slices.Contains(steps, "one key") {
		t.Errorf("progress: %q", steps)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnInterruptedRunReportsItsFigures(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Run(ctx, Options{Dir: t.TempDir(), Quick: true, Only: []string{"disk.fsync"}, Progress: func(done, _ int64, _ string) {
		if done > 0 {
			cancel()
		}
	}})
	if err == nil || r == nil || len(r.Figures) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTheHandlerAcceptsTheWebhooksOfAMeasurement(t *testing.T) {
	t.Parallel()
	if n := len(body(1, 2, bodySize)); n != bodySize {
		t.Errorf("a body of %d bytes", n)
	}
	if perSecond, err := rate(t.Context(), newHandler(nullStore{}), requests(0, 200)); err != nil || perSecond <= 0 {
		t.Errorf("%f, %v", perSecond, err)
	}
	list := requests(0, 1)
	list[0] = bytes.Replace(list[0], []byte("verified"), []byte("falsified"), 1)[:len(list[0])] // the signature is of another body
	if _, err := rate(t.Context(), newHandler(nullStore{}), list); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong signature: %v", err)
	}
}

func TestAnAnswerIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 503 Busy\r\n\r\n"))
	if err := answer(r); err != nil {
		t.Error(err)
	}
	if err := answer(r); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the second: %v", err)
	}
}

func TestTheGuestsAreBuiltFromTheirSources(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("INBOX_NO_SKIP") != "" {
			t.Fatal("wat2wasm is not installed")
		}
		t.Skip("wat2wasm is not installed (Debian: wabt): the guest was not built again")
	}
	for name, committed := range map[string][]byte{"noop": noop, "state": keeper, "effect": asker, "counter": counter} {
		out := filepath.Join(t.TempDir(), name+".wasm")
		if text, err := exec.Command(tool, name+".wat", "-o", out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if built, err := os.ReadFile(out); err != nil || !bytes.Equal(built, committed) {
			t.Errorf("%s.wasm differs from the build of %s.wat: %v", name, name, err)
		}
	}
}
