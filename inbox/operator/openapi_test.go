package operator

import (
	"inbox/inbox/api"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
)

// section returns the lines under a heading of the description, without its indentation.
func section(heading string) []string {
	var list []string
	depth := -1
	for line := range strings.Lines(string(api.OpenAPI)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		text := strings.TrimRight(line[indent:], "\n")
		switch {
		case text == heading:
			depth = indent
		case depth >= 0 && indent <= depth:
			return list
		case depth >= 0:
			list = append(list, line[depth+2:])
		}
	}
	return list
}

func TestTheDescriptionListsTheRoutesThatAreServed(t *testing.T) {
	t.Parallel()
	var described, served []string
	path := ""
	for _, line := range section("paths:") {
		text, isPath := strings.CutSuffix(strings.TrimRight(line, "\n"), ":")
		switch {
		case isPath && strings.HasPrefix(text, "/"):
			path = text
		case strings.HasPrefix(line, "  get:"):
			described = append(described, "GET "+path)
		case strings.HasPrefix(line, "  post:"):
			described = append(described, "POST "+path)
		}
	}
	for _, r := range routes() {
		served = append(served, r.method+" "+strings.ReplaceAll(r.path, "...}", "}")) // a key contains slashes
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Error(diff)
	}
}

func TestTheDescriptionListsTheFieldsOfWhatGoesOverTheWire(t *testing.T) {
	t.Parallel()
	described := map[string][]string{}
	name := ""
	for _, line := range section("schemas:") {
		line = strings.TrimRight(line, "\n")
		field, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch len(line) - len(strings.TrimLeft(line, " ")) {
		case 0:
			name = field
		case 4:
			described[name] = append(described[name], field)
		}
	}
	wire := []any{
		api.Event{}, api.EventDetail{}, api.DeliveryLine{}, api.State{}, api.StateChange{}, api.StateDiff{}, api.StateValue{}, api.Cause{}, api.Emitted{}, api.Copies{}, api.Delivery{}, api.Attempt{}, api.Entity{}, api.DeadLetter{}, api.DeadLetterRef{}, api.Resolve{}, api.Resolved{}, api.Failure{}, api.Plugin{},
		api.PluginDetail{}, inbox.Permission{}, inbox.Module{}, api.Release{}, api.ReplayRequest{}, api.Replay{}, api.ReplayPart{}, api.Refused{}, api.Rechecked{}, api.Status{}, api.Refusal{}, api.Quarantine{}, api.Reason{},
		api.AuditEntry{}, api.Problem{}, api.ProblemBody{}, inbox.Filter{}, inbox.Condition{}, inbox.Header{}, api.Removed{},
		api.Effect{}, api.AttemptRequest{}, api.AttemptFetch{}, api.EffectDetail{}, api.Try{}, api.ResolveEffects{}, api.ResolvedEffects{}, api.EffectOrigin{}, api.Token{}, api.TokenRequest{}, api.LinkRequest{}, api.EntityLink{},
		api.RebuildRequest{}, api.Rebuilt{}, api.RebuildProgress{},
	}
	for _, v := range wire {
		typ := reflect.TypeOf(v)
		var fields []string
		for i := range typ.NumField() {
			if f := typ.Field(i); !f.Anonymous {
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				fields = append(fields, tag)
			}
		}
		if diff := cmp.Diff(fields, described[typ.Name()]); diff != "" {
			t.Errorf("%s: %s", typ.Name(), diff)
		}
		delete(described, typ.Name())
	}
	if len(described) > 0 {
		t.Errorf("described, and not on the wire: %v", described)
	}
}

func TestEveryKindOfErrorHasAStatus(t *testing.T) {
	t.Parallel()
	for _, k := range []inbox.Kind{
		inbox.Internal, inbox.Invalid, inbox.Unauthorized, inbox.Forbidden, inbox.NotFound, inbox.Conflict, inbox.Unavailable, inbox.TooLarge, inbox.TooMany,
	} {
		if statuses()[k] < 400 {
			t.Errorf("%s has status %d", k, statuses()[k])
		}
	}
}

// The description is YAML whose flow mappings each fit on one line. One brace too many makes the whole file unreadable.
func TestEveryLineOfTheDescriptionClosesItsBraces(t *testing.T) {
	t.Parallel()
	n := 0
	for line := range strings.Lines(string(api.OpenAPI)) {
		n++
		for _, pair := range []string{"{}", "[]"} {
			if strings.Count(line, pair[:1]) != strings.Count(line, pair[1:]) {
				t.Errorf("line %d: %s", n, line)
			}
		}
	}
}
