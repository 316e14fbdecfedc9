package api

import (
	"context"
	"net/url"

	"inbox/inbox"
)

// RebuildRequest asks to fold state of a plugin again.
type RebuildRequest struct {
	IDs    []string     `json:"ids,omitempty"` // of events
	Filter inbox.Filter `json:"filter,omitzero"`
	All    bool         `json:"all,omitempty"` // all documents and kv; else those of the lanes of the selected events
	Reason string       `json:"reason,omitempty"`
}

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	Plugin  string `json:"plugin"`
	Release string `json:"release"` // that folded
	Events  int64  `json:"events"`
	Lanes   int    `json:"lanes"`
	Changed int    `json:"changed"` // documents, deleted ones included
	Deleted int    `json:"deleted"`
}

// RebuildProgress is how far a rebuild is.
type RebuildProgress struct {
	Running bool  `json:"running"`
	Seq     int64 `json:"seq"`  // the log is folded up to it
	Head    int64 `json:"head"` // newest seq at the begin
}

// Rebuild folds state of a plugin again, and returns when it is replaced. When ctx ends before, the state stays as it was.
func (c *Client) Rebuild(ctx context.Context, plugin string, req RebuildRequest) (out Rebuilt, err error) {
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(plugin)+"/rebuild", nil, req, &out)
}

// Rebuilding returns how far the rebuild of a plugin is.
func (c *Client) Rebuilding(ctx context.Context, plugin string) (out RebuildProgress, err error) {
	return out, c.do(ctx, "GET", "/v1/plugins/"+url.PathEscape(plugin)+"/rebuild", nil, nil, &out)
}
