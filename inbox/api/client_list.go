package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"

	"inbox/inbox"
)

// DeadQuery selects dead letters.
type DeadQuery struct {
	inbox.Filter
	IDs      []string
	Resolved bool  // also resolved dead letters
	Replay   int64 // only dead letters of this replay; 0: of any run
	Reveal   Reveal
}

// EachDead calls fn for every dead letter, the newest deaths first, as the answer arrives.
func (c *Client) EachDead(ctx context.Context, d DeadQuery, fn func(DeadLetter) error) error {
	return c.parts(ctx, d.IDs, d.Limit, func(ids []string, limit int) (int, error) {
		f := d.Filter
		f.Limit = limit
		q := d.Reveal.add(Query(f, ids))
		if d.Resolved {
			q.Set("resolved", "true")
		}
		if d.Replay != 0 {
			q.Set("replay", strconv.FormatInt(d.Replay, 10))
		}
		return each(ctx, c, "/v1/dead", q, fn)
	})
}

// DeadLetters returns dead letters. With resolved, it includes those that were retried or discarded.
func (c *Client) DeadLetters(ctx context.Context, f inbox.Filter, ids []string, resolved bool, v Reveal) (out []DeadLetter, err error) {
	err = c.EachDead(ctx, DeadQuery{Filter: f, IDs: ids, Resolved: resolved, Reveal: v}, func(l DeadLetter) error {
		out = append(out, l)
		return nil
	})
	return out, err
}

// Resolve retries or discards dead letters: verb is "retry" or "discard". The answer lists them.
func (c *Client) Resolve(ctx context.Context, verb string, req Resolve) (out Resolved, err error) {
	return out, c.do(ctx, "POST", "/v1/dead/"+verb, nil, req, &out)
}

// EachResolved works as Resolve, but calls fn for every dead letter as it is resolved, and returns no list of them.
func (c *Client) EachResolved(ctx context.Context, verb string, req Resolve, fn func(DeadLetter) error) (out Resolved, err error) {
	resp, err := c.call(ctx, "POST", "/v1/dead/"+verb, nil, req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for range 2 { // the list comes first: {"dead_letters":
		if _, err := dec.Token(); err != nil {
			return out, interrupted(ctx, err)
		}
	}
	if err := items(ctx, dec, fn); err != nil {
		return out, err
	}
	rest := io.MultiReader(dec.Buffered(), resp.Body) // ,"dry_run":…}
	text, err := io.ReadAll(rest)
	if err != nil {
		return out, interrupted(ctx, err)
	}
	if _, after, ok := bytes.Cut(text, []byte(",")); !ok || json.Unmarshal(append([]byte("{"), after...), &out) != nil {
		return out, interrupted(ctx, io.ErrUnexpectedEOF)
	}
	return out, nil
}

// items calls fn for every item of a list.
func items[T any](ctx context.Context, dec *json.Decoder, fn func(T) error) error {
	if _, err := dec.Token(); err != nil {
		return interrupted(ctx, err)
	}
	for dec.More() {
		var item T
		if err := dec.Decode(&item); err != nil {
			return interrupted(ctx, err)
		}
		if err := fn(item); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return interrupted(ctx, err)
	}
	return nil
}

// each calls fn for every item of an answer that is a list, and returns the number of items.
func each[T any](ctx context.Context, c *Client, path string, q url.Values, fn func(T) error) (n int, err error) {
	resp, err := c.call(ctx, "GET", path, q, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return n, items(ctx, json.NewDecoder(resp.Body), func(item T) error {
		n++
		return fn(item)
	})
}

// maxIDs bounds the ids in one request, and maxQuery bounds its query in bytes. A server reads headers up to 1 MiB.
const (
	maxIDs   = 1000
	maxQuery = 900 << 10
)

// parts calls ask with up to maxIDs ids at a time, because a URL cannot hold more. ask returns the number of items in its answer,
// which count towards the limit.
func (c *Client) parts(ctx context.Context, ids []string, limit int, ask func(ids []string, limit int) (int, error)) error {
	if len(ids) <= maxIDs {
		_, err := ask(ids, limit)
		return err
	}
	for part := range slices.Chunk(ids, maxIDs) {
		n, err := ask(part, limit)
		if err != nil {
			return err
		}
		if limit > 0 {
			if limit -= n; limit <= 0 {
				break
			}
		}
	}
	return ctx.Err()
}

// Deliveries calls fn for every delivery that has one of the outcomes and whose event the filter selects, as the answer arrives.
func (c *Client) Deliveries(ctx context.Context, f inbox.Filter, ids, outcomes []string, fn func(DeliveryLine) error) error {
	return c.parts(ctx, inOrder(ids, f.Newest), f.Limit, func(ids []string, limit int) (int, error) {
		f.Limit = limit
		q := Query(f, ids)
		for _, word := range outcomes {
			q.Add("outcome", word)
		}
		return each(ctx, c, "/v1/deliveries", q, fn)
	})
}

// inOrder sorts ids of events in the order of a list of events, so that a client can request them in parts.
func inOrder(ids []string, newest bool) []string {
	if len(ids) <= maxIDs {
		return ids
	}
	slices.SortFunc(ids, func(a, b string) int {
		x, _ := inbox.EventSeq(a)
		y, _ := inbox.EventSeq(b)
		if newest {
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
	return ids
}
