package api

import (
	"context"
	"net/url"
	"time"

	"inbox/inbox"
)

// Token is a token of the API. Its secret is shown once, in the answer to its creation.
type Token struct {
	Name      string        `json:"name"`
	Scopes    []inbox.Scope `json:"scopes"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"` // absent: never
	Expired   bool          `json:"expired"`
	UsedAt    time.Time     `json:"used_at,omitzero"` // the hour of the newest use
	Token     string        `json:"token,omitempty"`  // the secret
}

// TokenRequest asks for a new token.
type TokenRequest struct {
	Name      string        `json:"name"`
	Scopes    []inbox.Scope `json:"scopes"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"` // absent: never
	Reason    string        `json:"reason,omitempty"`
}

// RevokedToken names a token that was revoked.
type RevokedToken struct {
	Name string `json:"name"`
}

// Tokens returns all tokens, by name.
func (c *Client) Tokens(ctx context.Context) (out []Token, err error) {
	return out, c.do(ctx, "GET", "/v1/tokens", nil, nil, &out)
}

// NewToken makes a token and returns it with its secret.
func (c *Client) NewToken(ctx context.Context, req TokenRequest) (out Token, err error) {
	return out, c.do(ctx, "POST", "/v1/tokens", nil, req, &out)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, name, reason string) (out RevokedToken, err error) {
	return out, c.do(ctx, "POST", "/v1/tokens/"+url.PathEscape(name)+"/revoke", nil, ActionRequest{Reason: reason}, &out)
}
