package torture

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// soakEvents is one hour at ten events per second, far more than verifications cause. They are sent as fast as the server accepts
// them.
const soakEvents = 36_000

// walBound is the largest size of the write-ahead log: journal_size_limit, and the growth during a checkpoint.
const walBound = 96 << 20

// Sample has the resources that a server uses at one moment of a soak.
type Sample struct {
	After      time.Duration `json:"after_ns"`
	Events     int64         `json:"events"`
	Resident   int64         `json:"resident_bytes"`
	Files      int64         `json:"open_files"`
	Goroutines int64         `json:"goroutines"`
	WAL        int64         `json:"wal_bytes"`
}

// Soak sends soakEvents to one server, and goes on until Options.For has passed. It samples the resources that the server uses.
// Broken of the report lists the resources that grow from the first third of the samples to the last, and the broken laws.
func Soak(ctx context.Context, o Options) (*Report, error) {
	if err := o.setDefaults(); err != nil {
		return nil, inbox.Errorf(inbox.Internal, "soak", "%w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "inbox-soak-")
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "make a directory to soak in", "%w", err).WithHint("name one that can be written with --dir")
	}
	t := &campaign{opt: o, dir: dir, data: filepath.Join(dir, "store"), report: newReport(o.Seed), began: time.Now()}
	err = t.soak(ctx)
	if t.history != nil {
		t.addCounts()
	}
	return t.finish(err)
}

func (t *campaign) soak(ctx context.Context) error {
	if err := t.beginEpoch(ctx); err != nil {
		return err
	}
	s, err := t.start(ctx, setup{admin: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	if !s.ready() {
		return nil // the report has the reason
	}
	traffic := t.send(ctx, s)
	err = t.watch(ctx, s)
	traffic.stop()
	s.stop(t)
	s.finish(t)
	if err != nil {
		return err
	}
	t.check(ctx, "the soak")
	t.report.judge()
	return nil
}

// watch takes samples until the server has enough events and Options.For has passed.
func (t *campaign) watch(ctx context.Context, s *server) error {
	for began := time.Now(); ctx.Err() == nil; {
		sleep(ctx, 2*time.Second)
		sample, err := s.sample(ctx)
		if err != nil {
			return inbox.Errorf(inbox.Unavailable, "read the server's metrics", "%w", err)
		}
		sample.After = time.Since(began)
		t.report.Samples = append(t.report.Samples, sample)
		t.opt.Logf("after %s: %s", sample.After.Round(time.Second), sample)
		if sample.Events >= soakEvents && sample.After >= t.opt.For {
			return nil
		}
	}
	return ctx.Err()
}

// sample reads the server's metrics.
func (s *server) sample(ctx context.Context) (sample Sample, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		return sample, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return sample, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return sample, err
	}
	for name, to := range map[string]*int64{
		"inbox_events": &sample.Events, "process_resident_memory_bytes": &sample.Resident,
		"go_goroutines": &sample.Goroutines, "inbox_wal_bytes": &sample.WAL,
	} {
		_, after, found := strings.Cut("\n"+string(text), "\n"+name+" ")
		value, _, _ := strings.Cut(after, "\n")
		figure, err := strconv.ParseFloat(value, 64)
		if !found || err != nil {
			return sample, fmt.Errorf("the server has no metric %s on this system", name)
		}
		*to = int64(figure)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	sample.Files = int64(len(files))
	return sample, err
}

// String returns a sample in one line.
func (s Sample) String() string {
	return fmt.Sprintf("%d events, %.1f MiB resident, %d files, %d goroutines, %.1f MiB write-ahead log",
		s.Events, float64(s.Resident)/(1<<20), s.Files, s.Goroutines, float64(s.WAL)/(1<<20))
}

// judge compares the last third of the samples with the first third, which includes the start.
func (r *Report) judge() {
	third := len(r.Samples) / 3
	if third == 0 {
		r.broke("the soak was too short: %d samples", len(r.Samples))
		return
	}
	sorted := func(list []Sample, of func(Sample) int64) []int64 {
		figures := make([]int64, 0, len(list))
		for _, s := range list {
			figures = append(figures, of(s))
		}
		slices.Sort(figures)
		return figures
	}
	median := func(list []Sample, of func(Sample) int64) int64 { return sorted(list, of)[len(list)/2] }
	first, last := r.Samples[:third], r.Samples[len(r.Samples)-third:]
	for _, f := range []struct {
		name  string
		of    func(Sample) int64
		slack int64
	}{
		{"resident bytes", func(s Sample) int64 { return s.Resident }, 24 << 20},
		{"open files", func(s Sample) int64 { return s.Files }, 8},
		{"goroutines", func(s Sample) int64 { return s.Goroutines }, 16},
	} {
		if before, after := median(first, f.of), median(last, f.of); after > before+f.slack {
			r.broke("the median of %s grew from %d in the first third to %d in the last", f.name, before, after)
		}
	}
	if wal := sorted(r.Samples, func(s Sample) int64 { return s.WAL }); wal[len(wal)-1] > walBound {
		r.broke("the write-ahead log grew to %d bytes", wal[len(wal)-1])
	}
}

// soakTable writes about ten of the samples as a Markdown table.
func (r *Report) soakTable(b *strings.Builder) {
	b.WriteString("| after | events | resident MiB | open files | goroutines | write-ahead log MiB |\n|---|---|---|---|---|---|\n")
	step := max(1, len(r.Samples)/10)
	for i := step - 1; i < len(r.Samples); i += step {
		s := r.Samples[i]
		fmt.Fprintf(b, "| %s | %d | %.1f | %d | %d | %.1f |\n", s.After.Round(time.Second), s.Events, float64(s.Resident)/(1<<20), s.Files,
			s.Goroutines, float64(s.WAL)/(1<<20))
	}
}
