package operator_test

import (
	"encoding/json"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/api"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

// routes returns the described routes, as "GET /v1/…" with values in place of the names in braces.
func routes(t *testing.T, id string) []string {
	t.Helper()
	var list []string
	path := ""
	for line := range strings.Lines(string(api.OpenAPI)) {
		text := strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(text, "  /"):
			path = strings.TrimSuffix(strings.TrimSpace(text), ":")
		case strings.HasPrefix(text, "    get:"):
			list = append(list, "GET "+path)
		case strings.HasPrefix(text, "    post:"):
			list = append(list, "POST "+path)
		}
	}
	if len(list) < 25 {
		t.Fatalf("only %d routes: %q", len(list), list)
	}
	for i := range list {
		list[i] = strings.NewReplacer("replays/{id}", "replays/1", "{id}", id, "{name}", "crm").Replace(list[i])
	}
	return list
}

// TestEveryRouteSaysWhenTheStoreIsGone closes the store under the API. No route answers with success, and no answer
// has a part of a payload or a path.
func TestEveryRouteSaysWhenTheStoreIsGone(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Create: true, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, store: s, control: &control{}, opt: operator.Options{Store: s, Control: &control{}, Sources: keys{"right"}, Serving: true}}
	r.client = &api.Client{}
	r.plugin("crm")
	id := r.accept(1, 1)[0].ID
	r.die("crm", 1, inbox.Trap)
	r.refuse(2, "right")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	needs := map[string]string{
		"/v1/dead/retry": `{"all":true}`, "/v1/dead/discard": `{"ids":["` + id + `"]}`, "/v1/replays": `{"all":true}`, "/v1/db/backup": `{"path":"/nowhere/copy.db"}`,
		"/v1/entities/timeline": "?key=qoreid/workflow/1&mode=live",
	}
	for _, route := range routes(t, id) {
		if strings.HasSuffix(route, "openapi.yaml") {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		body := needs[path]
		if strings.HasPrefix(body, "?") {
			path, body = path+body, ""
		}
		status, answer := r.get(method, path, body)
		var p api.Problem
		if err := json.Unmarshal([]byte(answer), &p); status < 400 || err != nil || p.Error.Code == "" || p.Error.Message == "" {
			t.Errorf("%s is answered %d %s", route, status, answer)
		}
	}
}
