package torture

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report has the counts and the broken laws of a run. Its fields are the members of the JSON report.
type Report struct {
	Seed     uint64        `json:"seed"`
	Rounds   int           `json:"rounds"`
	Took     time.Duration `json:"took_ns"`
	Sent     int64         `json:"sent"`
	Answered int64         `json:"answered"` // 200
	Refused  int64         `json:"refused"`  // 503
	Events   int64         `json:"events"`
	Attempts int64         `json:"attempts"`
	Replays  int64         `json:"replays"`
	Holds    int64         `json:"holds"`
	Resumed  int64         `json:"resumed"` // holds that torture ended, and plugins that were disabled for its kills
	Starts   Starts        `json:"starts"`
	Matrix   []*Cell       `json:"matrix"`
	Samples  []Sample      `json:"samples,omitempty"` // of a soak
	Skipped  []string      `json:"skipped,omitempty"` // faults that this machine cannot do, with the reasons
	Broken   []string      `json:"broken,omitempty"`
	Kept     string        `json:"kept,omitempty"` // directory of the stores of a run that broke a law or failed

	located  int           // broken laws that have their round and fault
	checking time.Duration // total time of the oracle's checks
}

// Cell is one row of the crash matrix.
type Cell struct {
	Point    string `json:"point"`
	Fault    string `json:"fault"`
	Rounds   int    `json:"rounds"`
	Happened int    `json:"happened"` // rounds in which the fault happened: the point reached, the call failed, the file replaced
	Result   string `json:"result"`
}

// Starts are the times from the start of the process to its first accept.
type Starts struct {
	Count  int           `json:"count"`
	Median time.Duration `json:"median_ns"`
	Max    time.Duration `json:"max_ns"`

	all []time.Duration
}

func newReport(seed uint64) *Report { return &Report{Seed: seed} }

// broke adds a broken law. It keeps up to 40.
func (r *Report) broke(format string, args ...any) {
	if len(r.Broken) < 40 {
		r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
	}
}

// addPlace adds the round and the fault to the broken laws that were found since its last call.
func (r *Report) addPlace(round int, after string) {
	for ; r.located < len(r.Broken); r.located++ {
		r.Broken[r.located] = fmt.Sprintf("round %d, after %s: %s", round, after, r.Broken[r.located])
	}
	if len(r.Broken) > 0 && len(r.Matrix) > 0 {
		for _, c := range r.Matrix {
			if c.Point+": "+c.Fault == after {
				c.Result = "BROKEN"
			}
		}
	}
}

// count adds a round to the matrix.
func (r *Report) count(h *fault, s *server) {
	r.Rounds++
	i := slices.IndexFunc(r.Matrix, func(c *Cell) bool { return c.Point == h.point && c.Fault == h.kind })
	if i < 0 {
		r.Matrix = append(r.Matrix, &Cell{Point: h.point, Fault: h.kind, Result: "kept"})
		i = len(r.Matrix) - 1
	}
	r.Matrix[i].Rounds++
	if s.happened {
		r.Matrix[i].Happened++
	}
}

// started adds the time of a start.
func (r *Report) started(d time.Duration) {
	st := &r.Starts
	st.all = append(st.all, d)
	slices.Sort(st.all)
	st.Count, st.Median, st.Max = len(st.all), st.all[len(st.all)/2], st.all[len(st.all)-1]
}

// Table writes the counts, and the crash matrix or the samples as a Markdown table.
func (r *Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Seed %d: %d rounds in %s; %d bodies sent, %d answered 200, %d answered 503; %d events, %d attempts, %d replays, %d holds, %d plugins resumed.\n",
		r.Seed, r.Rounds, r.Took.Round(time.Second), r.Sent, r.Answered, r.Refused, r.Events, r.Attempts, r.Replays, r.Holds, r.Resumed)
	fmt.Fprintf(&b, "Start to first accept over %d starts: median %s, longest %s.\n\n",
		r.Starts.Count, r.Starts.Median.Round(time.Millisecond), r.Starts.Max.Round(time.Millisecond))
	if len(r.Samples) > 0 {
		r.soakTable(&b)
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("| point | fault | rounds | happened | laws |\n|---|---|---|---|---|\n")
	slices.SortFunc(r.Matrix, func(a, b *Cell) int { return strings.Compare(a.Point+a.Fault, b.Point+b.Fault) })
	for _, c := range r.Matrix {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s |\n", c.Point, c.Fault, c.Rounds, c.Happened, c.Result)
	}
	for _, l := range r.Skipped {
		fmt.Fprintf(&b, "\nSkipped: %s.\n", l)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
