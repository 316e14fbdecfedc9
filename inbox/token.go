package inbox

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Token is a token of the operator's API as it is stored: without its secret, of which only the hash is kept.
type Token struct {
	Name      string
	Scopes    []Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // the hour of its newest use; zero: not used yet
}

// TokenHash is the SHA-256 of a token. A token has 256 random bits, so nobody finds it by its hash.
type TokenHash [sha256.Size]byte

// HashToken returns the hash of a token as text.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Bounds of tokens.
const (
	MaxTokens = 1000 // of one store
	MaxScopes = 50   // of one token
)

// Scope is a permission of a token.
type Scope string

// The scopes. [StateScope] makes the scope of one plugin.
const (
	ScopeAdmin Scope = "admin" // everything
	ScopeRead  Scope = "read"  // every view, masked
	ScopeState Scope = "state" // the state documents of all plugins, in full
)

// StateScope returns the scope for the state documents of one plugin, in full.
func StateScope(plugin string) Scope { return ScopeState + ":" + Scope(plugin) }

// ParseScope reads a scope.
func ParseScope(text string) (Scope, error) {
	s := Scope(text)
	plugin, ofPlugin := strings.CutPrefix(text, string(ScopeState)+":")
	switch {
	case s == ScopeAdmin, s == ScopeRead, s == ScopeState, ofPlugin && IsPluginName(plugin):
		return s, nil
	}
	return "", Errorf(Invalid, "", "there is no scope %q", text).WithHint("the scopes are read, state, state:PLUGIN and admin")
}

// grants reports whether a token with the scope s may do what needs the scope need.
func (s Scope) grants(need Scope) bool {
	return s == need || s == ScopeAdmin || s == ScopeState && strings.HasPrefix(string(need), string(ScopeState)+":")
}

// Granted reports whether scopes include one of the needed ones. No other place decides it.
func Granted(scopes, needs []Scope) bool {
	return slices.ContainsFunc(needs, func(need Scope) bool {
		return slices.ContainsFunc(scopes, func(s Scope) bool { return s.grants(need) })
	})
}

// StateInFull reports whether scopes show the state documents of a plugin in full without a reveal. The scope admin does not: its
// holder reveals, which is recorded.
func StateInFull(scopes []Scope, plugin string) bool {
	return slices.Contains(scopes, ScopeState) || slices.Contains(scopes, StateScope(plugin))
}

// CheckToken returns an Invalid error unless a new token has a valid name and valid scopes.
func CheckToken(t *Token, now time.Time) error {
	switch {
	case !IsPluginName(t.Name):
		return Errorf(Invalid, "", "%q is not a token's name", t.Name).WithHint("use up to 64 lower-case letters, digits, - and _, as in checkout-service")
	case len(t.Scopes) == 0 || len(t.Scopes) > MaxScopes:
		return Errorf(Invalid, "", "a token has 1 to %d scopes, not %d", MaxScopes, len(t.Scopes)).WithHint("the scopes are read, state, state:PLUGIN and admin")
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(now):
		return Errorf(Invalid, "", "the token would expire at once")
	}
	for _, s := range t.Scopes {
		if _, err := ParseScope(string(s)); err != nil {
			return err
		}
	}
	return nil
}

// Expired reports whether a token may not be used any more.
func (t *Token) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }
