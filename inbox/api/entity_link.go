package api

import (
	"context"
	"time"

	"inbox/inbox"
)

// LinkRequest asks to tie a key to a customer reference that the payloads of its events do not carry.
type LinkRequest struct {
	Mode      inbox.Mode `json:"mode,omitempty"` // empty: live
	Key       string     `json:"key"`
	Reference string     `json:"customer_reference"`
	Replace   bool       `json:"replace,omitempty"` // the key may be linked to another reference
	Ahead     bool       `json:"ahead,omitempty"`   // the key may have no event yet
	Reason    string     `json:"reason,omitempty"`
}

// EntityLink ties a key to a customer reference.
type EntityLink struct {
	Mode      inbox.Mode `json:"mode"`
	Key       string     `json:"key"`
	Reference string     `json:"customer_reference"`
	After     int64      `json:"after"` // events with higher seqs carry the reference
	At        time.Time  `json:"at"`
	Before    string     `json:"replaced,omitempty"` // the reference until now
	Waiting   []string   `json:"waiting"`            // plugins with lanes by reference that have not run all earlier events of the key
}

// LinkEntity ties a key to a customer reference.
func (c *Client) LinkEntity(ctx context.Context, req LinkRequest) (out EntityLink, err error) {
	return out, c.do(ctx, "POST", "/v1/entities/link", nil, req, &out)
}
