package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

// Tokens stores the tokens of the operator's API.
type Tokens interface {
	NewToken(ctx context.Context, who inbox.Actor, token *inbox.Token, hash inbox.TokenHash) error
	TokenByHash(ctx context.Context, hash inbox.TokenHash) (*inbox.Token, error)
	Tokens(ctx context.Context) ([]inbox.Token, error)
	UseToken(ctx context.Context, name string, at time.Time)
	RevokeToken(ctx context.Context, who inbox.Actor, name string) error
}

func tokenTests() []test {
	return []test{
		{"a token is found by its hash until it is revoked", aTokenIsFoundByItsHashUntilItIsRevoked},
		{"a token's name is unique, and the number of tokens is bounded", aTokensNameIsUniqueAndTheNumberOfTokensIsBounded},
	}
}

func aTokenIsFoundByItsHashUntilItIsRevoked(t *testing.T, open Open) {
	now := time.Date(2026, 12, 1, 10, 40, 0, 0, time.UTC)
	s := open(t, Options{Now: func() time.Time { return now }})
	ctx, who := t.Context(), inbox.Actor{Name: "uid:0", Reason: "the checkout asks"}
	token := inbox.Token{Name: "checkout", Scopes: []inbox.Scope{inbox.StateScope("kyc"), inbox.ScopeRead}, ExpiresAt: now.Add(90 * 24 * time.Hour)}
	hash := inbox.HashToken("secret")
	if err := s.NewToken(ctx, who, &token, hash); err != nil || !token.CreatedAt.Equal(now) {
		t.Fatal(token, err)
	}
	got, err := s.TokenByHash(ctx, hash)
	same(t, "the token", got, err, &token)
	if _, err := s.TokenByHash(ctx, inbox.HashToken("secrets")); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("another token: %v", err)
	}
	s.UseToken(ctx, "checkout", now.Add(2*time.Hour))
	s.UseToken(ctx, "nobody", now)
	token.UsedAt = now.Add(2 * time.Hour).Truncate(time.Hour)
	inboxtest.Eventually(t, "the use is noted", func() bool {
		list, err := s.Tokens(ctx)
		return err == nil && len(list) == 1 && list[0].UsedAt.Equal(token.UsedAt)
	})
	s.UseToken(ctx, "checkout", now) // the clock stepped back
	second := inbox.Token{Name: "a", Scopes: []inbox.Scope{inbox.ScopeAdmin}}
	if err := s.NewToken(ctx, who, &second, inbox.HashToken("2")); err != nil {
		t.Fatal(err)
	}
	list, err := s.Tokens(ctx)
	same(t, "all tokens", list, err, []inbox.Token{second, token})
	if err := s.RevokeToken(ctx, who, "checkout"); err != nil {
		t.Error(err)
	}
	if _, err := s.TokenByHash(ctx, hash); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("a revoked token: %v", err)
	}
	if err := s.RevokeToken(ctx, who, "checkout"); inbox.KindOf(err) != inbox.NotFound {
		t.Errorf("revoked again: %v", err)
	}
	log, err := s.AuditLog(ctx, inbox.AuditFilter{Action: "token"})
	entry := func(target string) inbox.AuditEntry {
		return inbox.AuditEntry{At: now, Actor: "uid:0", Action: "token", Target: target, Reason: "the checkout asks"}
	}
	same(t, "the audit log", log, err, []inbox.AuditEntry{
		entry("revoke token checkout"), entry("new token a (admin)"), entry("new token checkout (state:kyc, read) until 2027-03-01T10:40:00Z"),
	})
}

func aTokensNameIsUniqueAndTheNumberOfTokensIsBounded(t *testing.T, open Open) {
	s := open(t, Options{Fast: true})
	add := func(name, secret string) error {
		return s.NewToken(t.Context(), inbox.Actor{Name: "x"}, &inbox.Token{Name: name, Scopes: []inbox.Scope{inbox.ScopeRead}}, inbox.HashToken(secret))
	}
	if err := add("a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := add("a", "2"); inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) == "" {
		t.Errorf("a name that is taken: %v", err)
	}
	for i := 1; i < inbox.MaxTokens; i++ {
		if err := add(fmt.Sprint("t", i), fmt.Sprint("s", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("more", "more"); inbox.KindOf(err) != inbox.Conflict || inbox.HintOf(err) == "" {
		t.Errorf("a token beyond the bound: %v", err)
	}
}
