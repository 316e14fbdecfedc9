package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"inbox/inbox"
	"inbox/inbox/cli/console"
	"inbox/inbox/config"
	"inbox/inbox/datadir"
	"inbox/inbox/serve"
)

func (p *program) doctorCommand() *cli.Command {
	return p.leaf(spec{
		name: "doctor", usage: "check the settings, the machine and the store for problems", formats: showFormats(), run: p.doctor,
		about: "It checks the settings, the secrets, the data directory and its disk, the addresses and the state of the store,\n" +
			"and compares the machine's memory with the maximum that the program and its plugins may use.",
	})
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warning or wrong
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`

	Parts []serve.MemoryPart `json:"parts,omitempty"` // parts of the memory; empty for other checks
}

// States of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateWrong   = "wrong"
)

// checks runs the checks of doctor and collects their findings.
type checks struct {
	p    *program
	list []finding
}

func (x *checks) ok(check, format string, args ...any) {
	x.list = append(x.list, finding{Check: check, State: stateOK, Detail: fmt.Sprintf(format, args...)})
}

func (x *checks) warn(check, hint, format string, args ...any) {
	x.list = append(x.list, finding{Check: check, State: stateWarning, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (x *checks) fail(check string, err error) {
	x.list = append(x.list, finding{Check: check, State: stateWrong, Detail: err.Error(), Hint: inbox.HintOf(err)})
}

func (p *program) doctor(c *cli.Context) error {
	x := &checks{p: p}
	x.ok("version", "inbox %s, %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	s, err := p.settings(c)
	if err != nil {
		x.fail("settings", err)
	} else {
		x.settings(s)
		_, running := datadir.Holder(s.Data)
		x.directory(s)
		x.plugins(s)
		x.addresses(s, running)
		x.memory(s, x.store(c, running))
	}
	return p.printFindings(x.list)
}

func (p *program) printFindings(found []finding) error {
	var err error
	if p.Format == "json" {
		err = p.Document(found)
	} else {
		var rows [][]string
		for _, f := range found {
			mark := map[string]string{stateOK: "ok", stateWarning: "!", stateWrong: "x"}[f.State]
			rows = append(rows, []string{mark, f.Check, console.OneLine(f.Detail)})
			for _, part := range f.Parts {
				rows = append(rows, []string{"", "", fmt.Sprintf("%9s  %s", console.Bytes(part.Bytes), console.OneLine(part.Name))})
			}
			if f.Hint != "" {
				rows = append(rows, []string{"", "", "→ " + console.OneLine(f.Hint)})
			}
		}
		err = p.Align(rows)
	}
	n := 0
	for _, f := range found {
		if f.State == stateWrong {
			n++
		}
	}
	if err == nil && n > 0 {
		return console.Incomplete("%s", console.Plural(n, "check failed", "checks failed"))
	}
	return err
}

func (x *checks) settings(s *config.Settings) {
	from := "environment and defaults"
	if s.File != "" {
		from = s.File
	}
	x.ok("settings", "%s", from)
	for _, n := range s.Notes {
		x.warn("settings", "", "%s", n)
	}
	if err := s.CheckSecrets(); err != nil {
		x.fail("secrets", err)
	} else {
		x.ok("secrets", "every source has one")
	}
	if now := x.p.Now(); now.Year() < 2026 {
		x.warn("clock", "set the clock; events are stored with its time", "the clock is at %s", x.p.Stamp(now))
	}
}

// directory checks the permissions of the data directory, and the time of a flush on its disk.
func (x *checks) directory(s *config.Settings) {
	info, err := os.Stat(s.Data)
	switch {
	case errors.Is(err, os.ErrNotExist):
		x.warn("data directory", "`inbox serve` creates it", "%s does not exist yet", s.Data)
		return
	case err != nil:
		x.fail("data directory", inbox.Errorf(inbox.Unavailable, "", "%w", err))
		return
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		x.warn("data directory", "chmod 700 "+s.Data, "%s can be read by other users, and contains personal data", s.Data)
	default:
		x.ok("data directory", "%s", s.Data)
	}
	elapsed, err := flushTime(s.Data)
	switch {
	case err != nil:
		x.fail("disk", inbox.Errorf(inbox.Unavailable, "", "%w", err).WithHint("the data directory must be writable by this user"))
	case elapsed > 50*time.Millisecond:
		x.warn("disk", "webhooks are answered after a flush: use a faster disk to answer sooner", "a flush takes %s", console.Duration(elapsed))
	default:
		x.ok("disk", "a flush takes %s", console.Duration(elapsed))
	}
}

// flushTime returns the median time of a small write and its flush in a directory.
func flushTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	times := make([]time.Duration, 0, 9)
	for range cap(times) {
		start := time.Now()
		if _, err := f.Write([]byte("a flush")); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// addresses checks that the addresses are free, unless a server runs on the data directory.
func (x *checks) addresses(s *config.Settings, running bool) {
	if running {
		x.ok("addresses", "a server runs here")
		return
	}
	for name, address := range map[string]string{"listen": s.Listen, "admin": s.Admin, "health": s.Health} {
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			x.fail(name, inbox.Errorf(inbox.Unavailable, "", "%w", err).WithHint("choose another with --"+name))
			continue
		}
		_ = l.Close() // it was opened as a test only
		x.ok(name, "%s is free", address)
	}
}

// store checks the store through the API, and returns the number of its events.
func (x *checks) store(c *cli.Context, running bool) (events int64) {
	client, err := x.p.client(c)
	if err == nil {
		st, serr := client.Status(x.p.ctx)
		err = serr
		if err == nil {
			x.ok("store", "%s, %s", console.Plural(st.Events, "event", "events"), console.Bytes(st.FileBytes))
			for _, r := range st.Reasons {
				if (running || r.Code != "note") && !isFileReason(r.Code) {
					x.warn("state", r.Hint, "%s", r.Message)
				}
			}
			if st.LastAt.After(x.p.Now().Add(time.Minute)) {
				x.warn("clock", "", "the newest event was stored at %s, which is in the future", x.p.Stamp(st.LastAt))
			}
			return st.Events
		}
	}
	if inbox.KindOf(err) == inbox.NotFound {
		x.warn("store", inbox.HintOf(err), "%s", err)
		return 0
	}
	x.fail("store", err)
	return 0
}
