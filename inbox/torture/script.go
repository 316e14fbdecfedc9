package torture

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"inbox/inbox"
)

// The guests follow the script in the event, one letter per attempt: see guests/session.wat.
var (
	//go:embed guests/session.wasm
	sessionGuest []byte
	//go:embed guests/command.wasm
	commandGuest []byte
	//go:embed guests/counts.wasm
	countsGuest []byte
	//go:embed guests/sends.wasm
	sendsGuest []byte
	//go:embed guests/emits.wasm
	emitsGuest []byte
)

// honestPlugin is a plugin under torture, with its manifest. The oracle knows nothing else of it.
type honestPlugin struct {
	name     string
	wasm     []byte
	settings string       // its manifest without start_from
	parks    bool         // on_failure is park, else continue
	attempts int          // retry.max_attempts
	noResult inbox.Result // the outcome when it exits without a result
	wants    func(s *sent) bool
}

// honestPlugins are the plugins of every round: one that parks, one that continues, one that takes every event, one that folds
// its events into state and kv, one that emits an event for each that it skips, and one that posts each to the receiver.
func honestPlugins() []honestPlugin {
	const common = "[limits]\ntime = \"60ms\"\n[retry]\nbase = \"100ms\"\nmax = \"150ms\"\n"
	return []honestPlugin{
		{
			name: "parks", wasm: sessionGuest, parks: true, attempts: 4, noResult: inbox.BadResult,
			settings: "on_failure = \"park\"\n" + common + "max_attempts = 4\n",
			wants:    func(s *sent) bool { return s.known && !s.seen },
		}, {
			name: "goes-on", wasm: commandGuest, attempts: 2, noResult: inbox.Exit,
			settings: "on_failure = \"continue\"\nmodes = [\"live\"]\n" + common + "max_attempts = 2\n",
			wants:    func(s *sent) bool { return s.known && !s.seen && s.mode == inbox.Live },
		}, {
			name: "takes-all", wasm: sessionGuest, attempts: 3, noResult: inbox.BadResult,
			settings: "events = [\"*\", \"unknown\", \"" + emittedEvent + "\"]\nreuse = 8\non_failure = \"continue\"\n" + common + "max_attempts = 3\n",
			wants:    func(*sent) bool { return true },
		}, {
			name: counter, wasm: countsGuest, attempts: 3, noResult: inbox.BadResult,
			settings: "events = [\"*\", \"" + emittedEvent + "\"]\non_failure = \"continue\"\nconcurrency = 4\n" + common + "max_attempts = 3\n",
			wants:    func(s *sent) bool { return s.known },
		}, {
			name: emitter, wasm: emitsGuest, attempts: 3, noResult: inbox.BadResult,
			settings: "on_failure = \"continue\"\nemit = [\"" + emittedEvent + "\"]\n" + common + "max_attempts = 3\n",
			wants:    func(s *sent) bool { return s.known && !s.seen },
		}, {
			name: poster, wasm: sendsGuest, attempts: 3, noResult: inbox.BadResult,
			settings: "events = [\"*\", \"" + emittedEvent + "\"]\non_failure = \"continue\"\n" + common + "max_attempts = 3\n" +
				"[http]\nprivate = [\"http://" + noReceiver + "\"]\n[http.retry]\nmax_attempts = 50\nbase = \"100ms\"\nmax = \"1s\"\n",
			wants: func(s *sent) bool { return s.known },
		},
	}
}

// manifest returns the plugin's manifest for a store that began with stored events, which the plugin does not get.
func (a *honestPlugin) manifest(stored int, receiver string) string {
	return fmt.Sprintf("start_from = %d\n%s", stored+1, strings.ReplaceAll(a.settings, noReceiver, receiver))
}

// module returns the plugin's module, with the address of the receiver.
func (a *honestPlugin) module(receiver string) []byte {
	return bytes.ReplaceAll(a.wasm, []byte(noReceiver), []byte(receiver))
}

// script returns the script of an event for a random number in [0,1). Most events succeed. Some fail in every possible way, and
// some never succeed.
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

// result returns the expected outcome of attempt n of a script. On a slow machine it may be a timeout instead.
func (a *honestPlugin) result(script string, n int) inbox.Result {
	if script == "" {
		return inbox.OK
	}
	n = min(n, len(script)) - 1
	return map[byte]inbox.Result{
		'o': inbox.OK, 's': inbox.Skip, 'r': inbox.Retry, 'j': inbox.Reject, 'x': inbox.Trap, 'l': inbox.Timeout,
		'e': a.noResult, 'b': inbox.BadResult,
	}[script[n]]
}

// withMark returns a module with a custom section at its end: another release with the same behaviour.
func withMark(wasm []byte, mark string) []byte {
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
