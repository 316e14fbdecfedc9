package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// Client calls the API, with a method for each route. Its methods return the [inbox.Error] of the server. Without an answer they
// return an Unavailable error.
type Client struct {
	HTTP  *http.Client
	Base  string // as in "http://127.0.0.1:8081"
	Token string // empty on the socket and in process
}

// call sends one request. The caller closes the body of the answer.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body any) (*http.Response, error) {
	target := strings.TrimSuffix(c.Base, "/") + path
	if len(q) > 0 {
		query := q.Encode()
		if len(query) > maxQuery {
			return nil, inbox.Errorf(inbox.Invalid, "", "the filters are too long: %d bytes, and one request takes up to %d", len(query), maxQuery).
				WithHint("give fewer values, or the ids of the events")
		}
		target += "?" + query
	}
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, inbox.Errorf(inbox.Internal, "write the request", "%w", err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, in)
	if err != nil {
		return nil, inbox.Errorf(inbox.Invalid, "", "%q is not the address of a server: %w", c.Base, err)
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return nil, unreachable(ctx, c.Base, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, problem(resp)
	}
	return resp, nil
}

func unreachable(ctx context.Context, base string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fault, ok := internalError(err); ok {
		return fault
	}
	var uerr *url.Error
	if errors.As(err, &uerr) {
		err = uerr.Err
	}
	return inbox.Errorf(inbox.Unavailable, "", "no answer from %s: %w", base, err).WithHint("is `inbox serve` running there?")
}

// problem returns the error of an answer that is not a success.
func problem(resp *http.Response) error {
	if to := resp.Header.Get("Location"); resp.StatusCode/100 == 3 && to != "" {
		return inbox.Errorf(inbox.Unavailable, "", "the server answered %s and redirects to %s", resp.Status, to).WithHint("redirects are not followed; give the address itself")
	}
	var p Problem
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &p) != nil || p.Error.Code == "" {
		return inbox.Errorf(inbox.Unavailable, "", "the server answered %s, but is not inbox", resp.Status).WithHint("is this the admin address?")
	}
	return inbox.Errorf(p.Error.Code, "", "%s", p.Error.Message).WithHint(p.Error.Hint)
}

// do sends a request and decodes its answer into out.
func (c *Client) do(ctx context.Context, method, path string, q url.Values, body, out any) error {
	resp, err := c.call(ctx, method, path, q, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return interrupted(ctx, err)
	}
	return nil
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fault, ok := internalError(err); ok {
		return fault
	}
	return inbox.Errorf(inbox.Unavailable, "read the answer", "%w", err)
}

// internalError returns the panic of a handler in the same process. A retry would not help.
func internalError(err error) (*inbox.Error, bool) {
	var fault *inbox.Error
	ok := errors.As(err, &fault) && fault.Kind == inbox.Internal
	return fault, ok
}

// Reveal asks for unmasked payloads, reasons and logs. The server records it with the reason.
type Reveal struct {
	On     bool
	Reason string
}

func (v Reveal) add(q url.Values) url.Values {
	if v.On {
		q.Set("reveal", "true")
	}
	if v.Reason != "" {
		q.Set("reason", v.Reason)
	}
	return q
}

// Status returns the state of the server, the store and the plugins.
func (c *Client) Status(ctx context.Context) (out Status, err error) {
	return out, c.do(ctx, "GET", "/v1/status", nil, nil, &out)
}

// ResumeAll ends the pause that a server was started with.
func (c *Client) ResumeAll(ctx context.Context, d ActionRequest) (out Status, err error) {
	return out, c.do(ctx, "POST", "/v1/resume", nil, d, &out)
}

// Events calls fn for every event of a filter, as the answer arrives.
func (c *Client) Events(ctx context.Context, f inbox.Filter, ids []string, fn func(Event) error) error {
	return c.parts(ctx, inOrder(ids, f.Newest), f.Limit, func(ids []string, limit int) (int, error) {
		f.Limit = limit
		return each(ctx, c, "/v1/events", Query(f, ids), fn)
	})
}

// Event returns one event with its deliveries.
func (c *Client) Event(ctx context.Context, id string, v Reveal) (out EventDetail, err error) {
	return out, c.do(ctx, "GET", "/v1/events/"+url.PathEscape(id), v.add(url.Values{}), nil, &out)
}

// Raw returns the bytes of an event's body as received. This reveals them, so the server records it.
func (c *Client) Raw(ctx context.Context, id, reason string) ([]byte, error) {
	resp, err := c.call(ctx, "GET", "/v1/events/"+url.PathEscape(id)+"/raw", Reveal{Reason: reason}.add(url.Values{}), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	return body, nil
}

// Stream calls fn for every event of a filter as it is stored, until ctx is done, fn fails, or the server ends the stream. It
// returns the seq after which a next stream continues.
func (c *Client) Stream(ctx context.Context, f inbox.Filter, fn func(Event) error) (after int64, err error) {
	resp, err := c.call(ctx, "GET", "/v1/events/stream", Query(f, nil), nil)
	if err != nil {
		return f.After, err
	}
	defer resp.Body.Close()
	after = f.After
	at := after
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20) // more than the largest body, since an event holds parts of it
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if at, err = strconv.ParseInt(id, 10, 64); err != nil {
				return after, interrupted(ctx, err)
			}
		}
		if lines.Text() == "" {
			after = max(after, at)
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return after, interrupted(ctx, err)
		}
		if err := fn(e); err != nil {
			return after, err
		}
		after = e.Seq
	}
	if err := lines.Err(); err != nil {
		return after, interrupted(ctx, err)
	}
	return after, ctx.Err()
}

// Entities returns the verifications and customers whose events a filter selects. With open, it returns only open ones. With
// olderThan, it returns only those whose newest event is at least that old.
func (c *Client) Entities(ctx context.Context, f inbox.Filter, open bool, olderThan time.Duration) (out []Entity, err error) {
	q := Query(f, nil)
	if open {
		q.Set("open", "true")
	}
	if olderThan > 0 {
		q.Set("older_than", olderThan.String())
	}
	return out, c.do(ctx, "GET", "/v1/entities", q, nil, &out)
}

// Timeline returns a key's events in a mode.
func (c *Client) Timeline(ctx context.Context, mode inbox.Mode, key string, v Reveal) (out Timeline, err error) {
	q := url.Values{"mode": {string(mode)}, "key": {key}}
	return out, c.do(ctx, "GET", "/v1/entities/timeline", v.add(q), nil, &out)
}

// Replays returns all replays, newest first.
func (c *Client) Replays(ctx context.Context) (out []Replay, err error) {
	return out, c.do(ctx, "GET", "/v1/replays", nil, nil, &out)
}

// CreateReplay stores a replay. With DryRun it returns what the replay would include and stores nothing.
func (c *Client) CreateReplay(ctx context.Context, req ReplayRequest) (out Replay, err error) {
	return out, c.do(ctx, "POST", "/v1/replays", nil, req, &out)
}

// Replay returns one replay.
func (c *Client) Replay(ctx context.Context, id int64) (out Replay, err error) {
	return out, c.do(ctx, "GET", "/v1/replays/"+strconv.FormatInt(id, 10), nil, nil, &out)
}

// CancelReplay ends a replay.
func (c *Client) CancelReplay(ctx context.Context, id int64, d ActionRequest) (out Replay, err error) {
	return out, c.do(ctx, "POST", "/v1/replays/"+strconv.FormatInt(id, 10)+"/cancel", nil, d, &out)
}

// Plugins returns all plugins.
func (c *Client) Plugins(ctx context.Context) (out []Plugin, err error) {
	return out, c.do(ctx, "GET", "/v1/plugins", nil, nil, &out)
}

// Plugin returns one plugin with its releases, and the module of a release: of the live one when release is empty.
func (c *Client) Plugin(ctx context.Context, name, release string) (out PluginDetail, err error) {
	q := url.Values{}
	if release != "" {
		q.Set("release", release)
	}
	return out, c.do(ctx, "GET", "/v1/plugins/"+url.PathEscape(name), q, nil, &out)
}

// Act pauses or resumes a plugin: verb is "pause" or "resume".
func (c *Client) Act(ctx context.Context, name, verb string, d ActionRequest) (out Plugin, err error) {
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(name)+"/"+verb, nil, d, &out)
}

// Rollback makes a plugin run an earlier release.
func (c *Client) Rollback(ctx context.Context, name string, req Rollback) (out Plugin, err error) {
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(name)+"/rollback", nil, req, &out)
}

// Remove forgets a plugin that has no file.
func (c *Client) Remove(ctx context.Context, name string, req ActionRequest) (out Removed, err error) {
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(name)+"/remove", nil, req, &out)
}

// Quarantine returns up to limit of the newest refused requests, with explanations if explain is true.
func (c *Client) Quarantine(ctx context.Context, source string, limit int, explain bool) (out []Refused, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if source != "" {
		q.Set("source", source)
	}
	if explain {
		q.Set("explain", "true")
	}
	return out, c.do(ctx, "GET", "/v1/quarantine", q, nil, &out)
}

// Recheck verifies the requests in the quarantine again with the present secrets and stores those that pass.
func (c *Client) Recheck(ctx context.Context, req RecheckRequest) (out Rechecked, err error) {
	return out, c.do(ctx, "POST", "/v1/quarantine/recheck", nil, req, &out)
}

// Discard deletes requests from the quarantine.
func (c *Client) Discard(ctx context.Context, req DiscardRequest) (out Discarded, err error) {
	return out, c.do(ctx, "POST", "/v1/quarantine/discard", nil, req, &out)
}

// CheckStore checks the store for damage.
func (c *Client) CheckStore(ctx context.Context) (out Check, err error) {
	return out, c.do(ctx, "POST", "/v1/db/check", nil, struct{}{}, &out)
}

// Backup copies the store to a file on its machine.
func (c *Client) Backup(ctx context.Context, req BackupRequest) (out Backup, err error) {
	return out, c.do(ctx, "POST", "/v1/db/backup", nil, req, &out)
}

// Audit returns the recorded actions that a filter selects, newest first.
func (c *Client) Audit(ctx context.Context, f inbox.AuditFilter) (out []AuditEntry, err error) {
	q := Query(inbox.Filter{Since: f.Since, Until: f.Until, Limit: f.Limit}, nil)
	for name, value := range map[string]string{"action": f.Action, "actor": f.Actor} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return out, c.do(ctx, "GET", "/v1/audit", q, nil, &out)
}
