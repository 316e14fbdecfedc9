package operator

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"inbox/inbox"
)

// caller is the person or program that makes a request.
type caller struct {
	name   string // for the audit log
	token  string // name of its token; empty: the token of the file, or none
	scopes []inbox.Scope
}

type callerKey struct{}

// everything are the scopes of the token of the file, of the socket, and of the program itself.
var everything = []inbox.Scope{inbox.ScopeAdmin}

// withCaller returns a context that carries a caller.
func withCaller(ctx context.Context, who caller) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// callerOf returns the caller of a request. Without one it has no name and no scopes.
func callerOf(ctx context.Context) caller {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who
}

// needs returns the scopes of which a request needs one; none: every token may make it. A route that is neither a GET nor named here
// needs the scope admin, and so does every reveal.
func needs(rt *route, r *http.Request) []inbox.Scope {
	reveals := slices.ContainsFunc(r.URL.Query()["reveal"], func(v string) bool { return v != "false" })
	switch {
	case rt.path == "/v1/openapi.yaml":
		return nil
	case rt.path == statePath && !reveals:
		return []inbox.Scope{inbox.StateScope(r.PathValue("plugin")), inbox.ScopeRead}
	case rt.path == statePath:
		return []inbox.Scope{inbox.StateScope(r.PathValue("plugin"))}
	case rt.method != http.MethodGet, reveals, slices.Contains(adminOnly, rt.path):
		return []inbox.Scope{inbox.ScopeAdmin}
	}
	return []inbox.Scope{inbox.ScopeRead}
}

// statePath is the route of one state document.
const statePath = "/v1/state/{plugin}/{key...}"

// adminOnly are the routes of GET requests that reveal payloads, or that show what only an administrator sees.
var adminOnly = []string{"/v1/events/{id}/raw", "/v1/tokens"}

// allow returns a Forbidden error, which names the missing scope, unless the caller may make a request.
func allow(rt *route, r *http.Request) error {
	who, need := callerOf(r.Context()), needs(rt, r)
	if len(need) == 0 || inbox.Granted(who.scopes, need) {
		return nil
	}
	var words []string
	for _, s := range need {
		words = append(words, string(s))
	}
	hint := "`inbox token list` shows the scopes of tokens, and `inbox token new --name NAME --scope " + words[0] + "` makes one"
	if inbox.Granted(who.scopes, []inbox.Scope{inbox.ScopeRead}) && need[0] == inbox.ScopeAdmin && rt.method == http.MethodGet {
		hint = "leave out reveal for the masked view; " + hint
	}
	return inbox.Errorf(inbox.Forbidden, "", "the token %s may not do this: it needs the scope %s", who.token, strings.Join(words, " or ")).WithHint(hint)
}
