package api

import (
	"context"
	"net/url"
	"strconv"

	"inbox/inbox"
)

// EffectQuery selects effects.
type EffectQuery struct {
	inbox.Filter
	IDs    []string // of events
	States []inbox.EffectState
	Origin string
}

// EachEffect calls fn for every effect, the newest first, as the answer arrives.
func (c *Client) EachEffect(ctx context.Context, e EffectQuery, fn func(Effect) error) error {
	return c.parts(ctx, inOrder(e.IDs, true), e.Limit, func(ids []string, limit int) (int, error) {
		f := e.Filter
		f.Limit = limit
		q := Query(f, ids)
		for _, state := range e.States {
			q.Add("state", string(state))
		}
		if e.Origin != "" {
			q.Set("origin", e.Origin)
		}
		return each(ctx, c, "/v1/effects", q, fn)
	})
}

// Effect returns one effect with its request and its tries.
func (c *Client) Effect(ctx context.Context, id int64, v Reveal) (out EffectDetail, err error) {
	return out, c.do(ctx, "GET", "/v1/effects/"+strconv.FormatInt(id, 10), v.add(url.Values{}), nil, &out)
}

// ResolveEffects retries, discards, releases or drops effects: verb is "retry", "discard", "release" or "drop".
func (c *Client) ResolveEffects(ctx context.Context, verb string, req ResolveEffects) (out ResolvedEffects, err error) {
	return out, c.do(ctx, "POST", "/v1/effects/"+verb, nil, req, &out)
}
