package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

func nothingLogged() *slog.Logger { return slog.New(slog.DiscardHandler) }

// counter stores counts in memory, and can be told to fail.
type counter struct {
	mu     sync.Mutex
	writes int
	fail   error
	sums   map[string]int64 // by reason
}

func (c *counter) CountRefusals(_ context.Context, counts []inbox.Refusal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.fail != nil {
		return c.fail
	}
	for _, one := range counts {
		if c.sums == nil {
			c.sums = map[string]int64{}
		}
		c.sums[fmt.Sprint(one.Why, " ", one.Lost)] += one.Count
	}
	return nil
}

// stored returns the stored counts, and the number of writes.
func (c *counter) stored() (sums map[string]int64, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.sums), c.writes
}

// line is one line of the log.
type line struct {
	Level, Msg, Source, Why, Addresses, Hint, Path string
	Count                                          int64
}

// written is the log.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// lines returns the lines that were logged since the last call.
func lines(t *testing.T, log *written) (list []line) {
	t.Helper()
	log.mu.Lock()
	defer log.mu.Unlock()
	for text := range strings.Lines(log.text.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, l)
	}
	log.text.Reset()
	return list
}

func TestRefusedRequestsAreLoggedAtOnceAndThenOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log written
		keep := &counter{}
		r := intake.NewRefusals(slog.New(slog.NewJSONHandler(&log, nil)), keep)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		note := func(n, addresses int, why string, lost bool) {
			for i := range n {
				r.Note("qoreid", why, lost, netip.AddrFrom4([4]byte{198, 51, 100, byte(i % addresses)}), "", time.Now())
			}
		}
		note(1, 1, inbox.RefusedTooLarge, true)
		synctest.Wait()
		got := lines(t, &log)
		if len(got) != 1 || got[0].Level != "WARN" || got[0].Count != 1 || got[0].Source != "qoreid" || got[0].Why != "too_large" ||
			got[0].Addresses != "198.51.100.0 (1)" || !strings.Contains(got[0].Msg, "cannot be checked") || !strings.Contains(got[0].Hint, "max_body") {
			t.Errorf("the first is logged as %+v", got)
		}
		note(1, 1, qoreid.Missing, false)
		synctest.Wait()
		if got := lines(t, &log); len(got) != 1 || got[0].Why != "missing" {
			t.Errorf("the first for another reason is logged as %+v", got)
		}
		note(999, 99, qoreid.Missing, false)
		note(2, 1, inbox.RefusedTooLarge, true)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if _, writes := keep.stored(); len(lines(t, &log)) != 0 || writes != 1 {
			t.Errorf("within the minute there are %d writes", writes)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got = lines(t, &log)
		_, writes := keep.stored()
		if len(got) != 2 || got[0].Why != "missing" || got[0].Count != 999 || !strings.HasSuffix(got[0].Addresses, ", others (966)") || got[1].Count != 2 || writes != 2 {
			t.Errorf("after the minute: %+v, %d writes", got, writes)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, writes := keep.stored(); len(lines(t, &log)) != 0 || writes != 2 {
			t.Errorf("in a quiet hour there are %d writes", writes)
		}
		note(1, 1, qoreid.Mismatch, false)
		synctest.Wait()
		note(1, 1, qoreid.Mismatch, false)
		cancel() // a stop does not lose the last counts
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := lines(t, &log); len(got) != 2 || keep.sums["mismatch false"] != 2 || keep.sums["missing false"] != 1000 || keep.sums["too_large true"] != 3 {
			t.Errorf("at the end: %+v, stored %v", got, keep.sums)
		}
		if left := r.Unstored(); len(left) != 0 {
			t.Errorf("not stored: %+v", left)
		}
	})
}

func TestCountsThatCannotBeStoredAreStoredLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keep := &counter{fail: errors.New("no disk")}
		r := intake.NewRefusals(nothingLogged(), keep)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for range 3 {
			r.Note("qoreid", inbox.RefusedBusy, true, netip.Addr{}, "", time.Now())
			time.Sleep(61 * time.Second)
		}
		synctest.Wait()
		sums, _ := keep.stored()
		if got := r.Unstored(); len(got) != 1 || got[0].Count != 3 || len(sums) != 0 {
			t.Errorf("not stored: %+v, stored %v", got, sums)
		}
		keep.mu.Lock()
		keep.fail = nil
		keep.mu.Unlock()
		r.Note("qoreid", inbox.RefusedBusy, true, netip.Addr{}, "", time.Now())
		time.Sleep(61 * time.Second)
		synctest.Wait()
		sums, _ = keep.stored()
		if got := r.Unstored(); len(got) != 0 || sums["busy true"] != 4 {
			t.Errorf("not stored: %+v, stored %v", got, sums)
		}
		cancel()
		<-ended
	})
}

func TestTheLogNamesThePathWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log written
		r := intake.NewRefusals(slog.New(slog.NewJSONHandler(&log, nil)), nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r.Note("", inbox.RefusedPath, true, netip.Addr{}, "/a\x1b[2J\u202e"+strings.Repeat("x", 500), time.Now())
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		got := lines(t, &log)
		if len(got) != 1 || !strings.HasPrefix(got[0].Path, "/a [2J\ufffdx") || len(got[0].Path) > 110 || got[0].Addresses != "no address (1)" {
			t.Errorf("logged %+v", got)
		}
	})
}

// Every kind of refusal is counted. It counts as lost when its signature could be right and it was not kept.
func TestRefusedRequestsAreCountedByReason(t *testing.T) {
	t.Parallel()
	counts := intake.NewRefusals(nothingLogged(), nil)
	s := source()
	s.MaxBody = 1000
	d := open(t, intake.Options{Sources: []intake.Source{s}, Refusals: counts})
	large := strings.Repeat("x", 1001)
	zip := zipped(t, `"`+large+`"`)
	forged := []string{qoreid.DefaultHeader, strings.Repeat("0", 128)}
	requests := []*http.Request{
		d.request(t, http.MethodPost, path, large, signed(large)...),
		d.request(t, http.MethodPost, path, large),
		d.request(t, http.MethodPost, path, zip, append(signed(zip), "Content-Encoding", "gzip")...),
		d.request(t, http.MethodPut, path, body, signed(body)...),
		d.request(t, http.MethodDelete, path, ""),
		d.request(t, http.MethodPost, path, body),
		d.request(t, http.MethodPost, path, body, qoreid.DefaultHeader, "abc"),
		d.request(t, http.MethodPost, path, body, forged...),
		d.request(t, http.MethodPost, path, "", signed(body)...),
		d.request(t, http.MethodPost, "/elsewhere", "", signed(body)...),
		d.request(t, http.MethodPost, path, body, signed(body)...),
		d.request(t, http.MethodGet, path, ""),
	}
	for _, r := range requests {
		d.do(t, r)
	}
	var got []string
	for _, one := range counts.Unstored() {
		got = append(got, fmt.Sprintf("%s %s %v %d", one.Source, one.Why, one.Lost, one.Count))
	}
	slices.Sort(got)
	if want := []string{
		" not_found true 1", "qoreid malformed false 1", "qoreid method false 1", "qoreid method true 1", "qoreid mismatch false 2", "qoreid missing false 1",
		"qoreid too_large false 1", "qoreid too_large true 2",
	}; !slices.Equal(got, want) {
		t.Errorf("counted %q", got)
	}
	d.keep.fail = inbox.Errorf(inbox.Unavailable, "", "no disk")
	d.do(t, d.request(t, http.MethodPost, path, body+" ", signed(body+" ")...))
	if got := len(counts.Unstored()); got != 8 {
		t.Errorf("what the store could not take is counted: %d", got)
	}
}
