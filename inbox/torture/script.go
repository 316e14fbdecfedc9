package torture

import (
	_ "embed"
	"fmt"
	"strings"

	"inbox/inbox"
)

// The guests do what the event says, attempt by attempt: see guests/session.wat.
var (
	//go:embed guests/session.wasm
	sessionGuest []byte
	//go:embed guests/command.wasm
	commandGuest []byte
)

// actor is a plugin under torture, and what the oracle knows of it: the manifest it was given.
type actor struct {
	name     string
	wasm     []byte
	settings string       // its manifest, but for where it begins
	parks    bool         // a dead head keeps its lane waiting; else the lane goes on
	attempts int          // retry.max_attempts
	leaves   inbox.Result // the outcome when it exits without a result
	wants    func(s *sent) bool
}

// actors are the plugins of every round: one that parks, one that continues, and one that takes every event.
func actors() []actor {
	const common = "[limits]\ntime = \"60ms\"\n[retry]\nbase = \"100ms\"\nmax = \"150ms\"\n"
	return []actor{
		{
			name: "parks", wasm: sessionGuest, parks: true, attempts: 4, leaves: inbox.BadResult,
			settings: "on_failure = \"park\"\n" + common + "max_attempts = 4\n",
			wants:    func(s *sent) bool { return s.known },
		}, {
			name: "goes-on", wasm: commandGuest, attempts: 2, leaves: inbox.Exit,
			settings: "on_failure = \"continue\"\nmodes = [\"live\"]\n" + common + "max_attempts = 2\n",
			wants:    func(s *sent) bool { return s.known && s.mode == inbox.Live },
		}, {
			name: "takes-all", wasm: sessionGuest, attempts: 3, leaves: inbox.BadResult,
			settings: "events = [\"*\", \"unknown\"]\nreuse = 8\non_failure = \"continue\"\n" + common + "max_attempts = 3\n",
			wants:    func(*sent) bool { return true },
		},
	}
}

// manifest returns the actor's manifest in a store that began with base events, which it does not get.
func (a *actor) manifest(stored int) string {
	return fmt.Sprintf("start_from = %d\n%s", stored+1, a.settings)
}

// script returns what an event will do, by a roll in [0,1): most go well, some fail in every way there is, and some never
// come to a good end.
func script(roll float64) string {
	odd := []string{"ro", "xo", "eo", "bs", "rro", "xrs", "lo", "j", "x", "rj", "e", "xxxo", "lj"}
	switch {
	case roll < 0.90:
		return "o"
	case roll < 0.96:
		return "s"
	}
	return odd[int((roll-0.96)/0.04*float64(len(odd)))%len(odd)]
}

// result returns the outcome of attempt n by a script. Where the machine is slow, a timeout may take its place.
func (a *actor) result(script string, n int) inbox.Result {
	if script == "" {
		return inbox.OK
	}
	n = min(n, len(script)) - 1
	return map[byte]inbox.Result{
		'o': inbox.OK, 's': inbox.Skip, 'r': inbox.Retry, 'j': inbox.Reject, 'x': inbox.Trap, 'l': inbox.Timeout,
		'e': a.leaves, 'b': inbox.BadResult,
	}[script[n]]
}

// marked is a module with a custom section at its end: another release that does the same.
func marked(wasm []byte, mark string) []byte {
	section := append([]byte{byte(len("mark"))}, "mark"+mark...)
	return append(append(wasm[:len(wasm):len(wasm)], 0, byte(len(section))), section...)
}

// sourcesFile is the configuration of the server under torture.
const sourcesFile = `[[source]]
name = "second"
secrets = ["env:INBOX_TORTURE_SECRET"]
[[source]]
name = "trial"
mode = "test"
secrets = ["env:INBOX_TORTURE_SECRET"]
[[source]]
name = "echo"
dedup = "off"
secrets = ["env:INBOX_TORTURE_SECRET"]
`

// sources are the webhook addresses. All have the same secret.
var sources = strings.Fields("qoreid second trial echo")

const secret = "whsec_of_the_torture_chamber"
