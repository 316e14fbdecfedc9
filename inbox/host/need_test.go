package host_test

import (
	"context"
	"testing"

	"inbox/inbox"
	"inbox/inbox/host"
)

func TestTheNeedOfAPluginIsTheSameBeforeAndAfterCompiling(t *testing.T) {
	onEachEngine(t, testTheNeedOfAPluginIsTheSameBeforeAndAfterCompiling)
}

func testTheNeedOfAPluginIsTheSameBeforeAndAfterCompiling(t *testing.T, engine inbox.Engine) {
	t.Parallel()
	h := newHost(t)
	m := inbox.Manifest{Engine: engine, Concurrency: 3, Limits: inbox.Limits{Memory: 1<<20 + 1, Output: 1 << 10, Log: 1 << 10}}.WithDefaults(1)
	for name, want := range map[string]int{"session_ok": 6, "ok": 3} { // a session has as many idle ones
		n, err := host.Needs(fixture(t, name), &m, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n.Instances != want || n.Memories != int64(want)<<20 || n.Stacks < int64(want)*84_000_000 || n.Rest < 15_000 || n.Code < 1 {
			t.Errorf("%s: %+v", name, n)
		}
		p, err := h.Compile(context.Background(), fixture(t, name), &m)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Need(1000); got != n {
			t.Errorf("%s: compiled %+v, before %+v", name, got, n)
		}
		p.Close(context.Background())
	}
	n, err := host.Needs(fixture(t, "ok"), &m, 0)
	if err != nil || (n.Mapped == n.Memories) != (engine == inbox.Interpreter) { // the interpreter keeps the module in Go's heap
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := host.Needs([]byte("no module"), &m, 0); inbox.KindOf(err) != inbox.Invalid {
		t.Errorf("%v", err)
	}
}
