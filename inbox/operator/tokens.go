package operator

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"inbox/inbox"
	"inbox/inbox/api"
)

// tokenPrefix begins every token, so that programs which search files for secrets can recognise one.
const tokenPrefix = "inbox_"

// listTokens writes all tokens, without their secrets.
func (s *server) listTokens(w http.ResponseWriter, r *http.Request) error {
	tokens, err := s.tokens.Tokens(r.Context())
	if err != nil {
		return err
	}
	list := make([]api.Token, 0, len(tokens))
	for i := range tokens {
		list = append(list, s.tokenOf(&tokens[i]))
	}
	return reply(w, list)
}

// newToken makes a token. The answer has its secret, of which the store keeps only the hash.
func (s *server) newToken(w http.ResponseWriter, r *http.Request) error {
	var req api.TokenRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	t := inbox.Token{Name: req.Name, Scopes: req.Scopes, ExpiresAt: req.ExpiresAt}
	if err := inbox.CheckToken(&t, s.Now()); err != nil {
		return err
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	secret := tokenPrefix + hex.EncodeToString(raw)
	if err := s.tokens.NewToken(r.Context(), actor(r, req.Reason), &t, inbox.HashToken(secret)); err != nil {
		return err
	}
	out := s.tokenOf(&t)
	out.Token = secret
	return reply(w, out)
}

// revokeToken ends a token. Requests that run go on.
func (s *server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	var req api.ActionRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := s.tokens.RevokeToken(r.Context(), actor(r, req.Reason), name); err != nil {
		return err
	}
	return reply(w, api.RevokedToken{Name: name})
}

func (s *server) tokenOf(t *inbox.Token) api.Token {
	return api.Token{
		Name: t.Name, Scopes: t.Scopes, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(), UsedAt: t.UsedAt.UTC(), Expired: t.Expired(s.Now()),
	}
}
