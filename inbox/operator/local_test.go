package operator_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
)

func TestAPanicOfAHandlerInTheSameProcessIsAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	begun := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, `[`+strings.Repeat(`{}, `, 20_000))
		_ = http.NewResponseController(w).Flush()
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		says   string
		fault  bool // of the program
	}{
		"before the answer": {func(http.ResponseWriter, *http.Request) { var p *api.Status; _ = p.Version }, "nil pointer dereference", true},
		"within the answer": {func(w http.ResponseWriter, _ *http.Request) { begun(w); var list []int; _ = list[len(list)] }, "index out of range", true},
		"with a payload":    {func(http.ResponseWriter, *http.Request) { panic("passport A1234567") }, "string", true},
		"on purpose":        {func(w http.ResponseWriter, _ *http.Request) { begun(w); panic(http.ErrAbortHandler) }, "aborted", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := &api.Client{HTTP: &http.Client{Transport: operator.Local{Handler: c.handle}}, Base: "http://in-process"}
			_, err := client.Plugins(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "passport") {
				t.Fatalf("%v", err)
			}
			if c.fault != (inbox.KindOf(err) == inbox.Internal && strings.Contains(err.Error(), "local_test.go") && inbox.HintOf(err) != "") {
				t.Errorf("%s: %v (%s)", inbox.KindOf(err), err, inbox.HintOf(err))
			}
		})
	}
}
