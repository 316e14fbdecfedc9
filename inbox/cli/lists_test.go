package cli

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"inbox/inbox/api"
	"inbox/inbox/cli/console"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

func TestEveryListFitsATerminalOf80Columns(t *testing.T) {
	s := inboxtest.Store(t, store.Options{})
	ids := storeMarked(t, s)
	front := httptest.NewServer(operator.RequireToken(operator.Gate{File: "sesame"}, operator.New(operator.Options{Store: s, Control: crmControl{}, Sources: testSources{}, Serving: true})))
	defer front.Close()
	looked := 0
	for _, columns := range []int{80, 50, 40} {
		for _, call := range readCalls(ids) {
			p, out, errs := testTerminal(columns)
			p.Getenv = func(name string) string {
				return map[string]string{"INBOX_URL": front.URL, "INBOX_TOKEN": "sesame", "COLUMNS": fmt.Sprint(columns)}[name]
			}
			p.run(t.Context(), call)
			name := strings.Join(call, " ")
			if strings.Contains(name, "show") || strings.HasPrefix(name, "replay") && out.Len() == 0 {
				continue // a payload is not a table
			}
			looked++
			if line, n := widest(out.String()); n > columns || out.Len() == 0 && errs.Len() == 0 {
				t.Errorf("inbox %s: %d columns: %q\n%s%s", name, n, line, out, errs)
			}
		}
	}
	if looked < 24 {
		t.Errorf("only %d tables were checked", looked)
	}
}

func TestAStreamOnATerminalStartsWithItsHeadAndFits(t *testing.T) {
	p, out, _ := testTerminal(80)
	l := console.NewList(&p.Console, func(e api.Event) string { return e.ID }, p.tailColumns()...)
	usual := typicalEvent(p.Now())
	if err := l.Stream(usual); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "ID  ") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("the stream begins with %q", out)
	}
	odd := usual
	odd.EventType, odd.Key, odd.Mode, odd.Late = strings.Repeat("type", 30), strings.Repeat("語", 50), "test", true
	if err := errors.Join(p.tailRow(l, usual), p.tailRow(l, odd)); err != nil {
		t.Fatal(err)
	}
	if line, n := widest(out.String()); n > 80 {
		t.Errorf("%d columns: %q", n, line)
	}
	if strings.Count(out.String(), "ID  ") != 1 || !strings.Contains(out.String(), "mode test") || !strings.Contains(out.String(), "late") {
		t.Errorf("%s", out)
	}
}
