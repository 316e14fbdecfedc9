package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// State is one change of a state document. Its document is the one in force from this change on. Lists have no documents.
type State struct {
	Plugin       string          `json:"plugin"`
	Mode         inbox.Mode      `json:"mode"`
	Key          string          `json:"key"`    // of the lane
	Change       int64           `json:"change"` // from 1
	StateVersion int             `json:"state_version"`
	At           time.Time       `json:"at"`
	Size         int             `json:"size"` // bytes of the document
	Deleted      bool            `json:"deleted"`
	ID           string          `json:"id"` // of the event whose attempt made the change
	Seq          int64           `json:"seq"`
	Run          int64           `json:"run"`
	Attempt      int             `json:"attempt"` // 0: an operator reset the document
	Revealed     bool            `json:"revealed"`
	Document     json.RawMessage `json:"document,omitempty"` // masked unless revealed
}

// StateChange is the change of state that an attempt made.
type StateChange struct {
	Mode         inbox.Mode      `json:"mode"`
	Key          string          `json:"key"` // of the lane
	Change       int64           `json:"change"`
	StateVersion int             `json:"state_version"`
	Size         int             `json:"size"`
	Deleted      bool            `json:"deleted"`
	Document     json.RawMessage `json:"document,omitempty"` // only revealed
}

// StateDiff has the differences between two changes of a state document.
type StateDiff struct {
	From    *State       `json:"from,omitempty"` // absent: before the first change
	To      State        `json:"to"`
	Changes []StateValue `json:"changes"` // in the order of the pointers
}

// StateValue is one difference. Its values are masked unless revealed.
type StateValue struct {
	Pointer string          `json:"pointer"` // RFC 6901; empty: the whole document
	Op      string          `json:"op"`      // added, removed or changed
	Old     json.RawMessage `json:"old,omitempty"`
	New     json.RawMessage `json:"new,omitempty"`
}

// StateQuery selects changes of one document. Each route uses some of its fields.
type StateQuery struct {
	Mode   inbox.Mode // empty: live
	At     string     // of one document: the seq or the id of an event, or a time as in RFC 3339; empty: now
	Change int64      // of one document: this change, in place of At
	From   int64      // change that a diff begins with; 0: the one before To
	To     int64      // change that a diff ends with; 0: the newest
	Before int64      // of a history: changes below it only
	Limit  int        // of a history
	Reveal Reveal
}

func (s *StateQuery) values() url.Values {
	q := s.Reveal.add(url.Values{})
	if s.Mode != "" {
		q.Set("mode", string(s.Mode))
	}
	for name, n := range map[string]int64{"change": s.Change, "from": s.From, "to": s.To, "before": s.Before, "limit": int64(s.Limit)} {
		if n != 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if s.At != "" {
		q.Set("at", s.At)
	}
	return q
}

// ParseStateQuery reads the parameters of a request about one document. names are those that its route has, besides mode, reveal and
// reason; any other parameter is Invalid.
func ParseStateQuery(q url.Values, names ...string) (StateQuery, error) {
	p := parameters{q: q}
	names = append(names, "mode", "reveal", "reason")
	for name := range q {
		if !slices.Contains(names, name) {
			p.wrong("there is no parameter %q here", name)
		}
	}
	s := StateQuery{
		Mode: p.mode(inbox.Live), At: p.one("at"), Change: p.number("change"), From: p.number("from"), To: p.number("to"), Before: p.number("before"), Limit: int(p.number("limit")),
		Reveal: Reveal{On: p.one("reveal") == "true", Reason: p.one("reason")},
	}
	if s.At != "" && s.Change != 0 {
		p.wrong("at and change exclude each other")
	}
	return s, p.err
}

// mode returns the parameter mode, or fallback.
func (p *parameters) mode(fallback inbox.Mode) inbox.Mode {
	m := inbox.Mode(p.one("mode"))
	if m == "" {
		return fallback
	}
	if !m.Valid() {
		p.wrong("mode is %q, not live or test", m)
	}
	return m
}

// ParseStateFilter reads the parameters that [Client.EachState] writes. Any other parameter is Invalid.
func ParseStateFilter(q url.Values) (inbox.StateFilter, error) {
	p := parameters{q: q}
	f := inbox.StateFilter{
		Plugin: p.one("plugin"), Mode: p.mode(""), Prefix: p.one("prefix"), Since: p.time("since"), Until: p.time("until"), Limit: int(p.number("limit")),
	}
	for name := range p.q {
		p.wrong("there is no parameter %q here", name)
	}
	return f, p.err
}

// statePath returns the path of a route about one document.
func statePath(route, plugin, key string) string {
	key = url.PathEscape(key)
	if strings.Trim(key, ".") == "" { // a server cleans such a path
		key = strings.ReplaceAll(key, ".", "%2E")
	}
	return route + "/" + url.PathEscape(plugin) + "/" + key
}

// State returns a state document as it was at a moment. The key is the key of a lane, an entity, or a customer's reference.
func (c *Client) State(ctx context.Context, plugin, key string, s StateQuery) (out State, err error) {
	return out, c.do(ctx, "GET", statePath("/v1/state", plugin, key), s.values(), nil, &out)
}

// ResetState deletes a state document and returns the deletion.
func (c *Client) ResetState(ctx context.Context, plugin, key string, mode inbox.Mode, reason string) (out State, err error) {
	q := StateQuery{Mode: mode}
	return out, c.do(ctx, "POST", statePath("/v1/state-reset", plugin, key), q.values(), ActionRequest{Reason: reason}, &out)
}

// EachState calls fn for every state document that a filter selects, without its contents, as the answer arrives.
func (c *Client) EachState(ctx context.Context, f inbox.StateFilter, fn func(State) error) error {
	q := Query(inbox.Filter{Plugin: f.Plugin, Mode: f.Mode, Since: f.Since, Until: f.Until, Limit: f.Limit}, nil)
	if f.Prefix != "" {
		q.Set("prefix", f.Prefix)
	}
	_, err := each(ctx, c, "/v1/state", q, fn)
	return err
}

// EachStateChange calls fn for every change of a state document, newest first, as the answer arrives. The changes have documents
// when the query reveals them.
func (c *Client) EachStateChange(ctx context.Context, plugin, key string, s StateQuery, fn func(State) error) error {
	_, err := each(ctx, c, statePath("/v1/state-history", plugin, key), s.values(), fn)
	return err
}

// StateDiff returns the differences between two changes of a state document.
func (c *Client) StateDiff(ctx context.Context, plugin, key string, s StateQuery) (out StateDiff, err error) {
	return out, c.do(ctx, "GET", statePath("/v1/state-diff", plugin, key), s.values(), nil, &out)
}
