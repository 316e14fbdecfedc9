package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"strings"
	"time"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// tokenColumns are the columns of tokens that make an inbox.Token.
const tokenColumns = `name, scopes, created_at, coalesce(expires_at, 0), coalesce(used_at, 0)`

// scanToken reads tokenColumns and then the columns of more.
func scanToken(row scanner, t *inbox.Token, more ...any) error {
	var scopes string
	dest := []any{&t.Name, &scopes, moment{&t.CreatedAt}, moment{&t.ExpiresAt}, moment{&t.UsedAt}}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return err
	}
	for s := range strings.FieldsSeq(scopes) {
		t.Scopes = append(t.Scopes, inbox.Scope(s))
	}
	return nil
}

// NewToken stores a token by its hash and sets its CreatedAt. It is a Conflict when the name is taken, or when the store has
// [inbox.MaxTokens] tokens.
func (s *Store) NewToken(ctx context.Context, who inbox.Actor, token *inbox.Token, hash inbox.TokenHash) error {
	var created int64
	err := s.write(ctx, func(t *tx) error {
		var same, all int
		if err := t.get(`SELECT coalesce(sum(name = ?), 0), count(*) FROM tokens`, token.Name).Scan(&same, &all); err != nil {
			return err
		}
		switch {
		case same > 0:
			return inbox.Errorf(inbox.Conflict, "", "there is a token %s already", token.Name).
				WithHint("choose another name, or end it with `inbox token revoke " + token.Name + "`")
		case all >= inbox.MaxTokens:
			return inbox.Errorf(inbox.Conflict, "", "there are %d tokens, the most that a store keeps", all).
				WithHint("`inbox token list` shows those that are expired or not used")
		}
		var words []string
		for _, scope := range token.Scopes {
			words = append(words, string(scope))
		}
		created = t.now
		target := "token " + token.Name + " (" + strings.Join(words, ", ") + ")"
		var expires any
		if !token.ExpiresAt.IsZero() {
			expires = max(millis(token.ExpiresAt), t.now+1)
			target += " until " + token.ExpiresAt.UTC().Format(time.RFC3339)
		}
		if _, err := t.exec(`INSERT INTO tokens (name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)`,
			token.Name, hash[:], strings.Join(words, " "), t.now, expires); err != nil {
			return err
		}
		return t.audit(who, "token", "new "+target)
	})
	if err == nil {
		token.CreatedAt = fromMillis(created)
	}
	return err
}

// TokenByHash returns the token with a hash, NotFound without one. The caller decides whether it is expired.
func (s *Store) TokenByHash(ctx context.Context, hash inbox.TokenHash) (*inbox.Token, error) {
	var t inbox.Token
	var stored []byte
	err := scanToken(s.readers.QueryRowContext(ctx, `SELECT `+tokenColumns+`, hash FROM tokens WHERE hash = ?`, hash[:]), &t, &stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, inbox.Errorf(inbox.NotFound, "", "no token has this hash")
	case err != nil:
		return nil, readError(err)
	case subtle.ConstantTimeCompare(stored, hash[:]) != 1:
		return nil, inbox.Errorf(inbox.NotFound, "", "no token has this hash")
	}
	return &t, nil
}

// Tokens returns all tokens, by name.
func (s *Store) Tokens(ctx context.Context) ([]inbox.Token, error) {
	var list []inbox.Token
	err := s.each(ctx, `SELECT `+tokenColumns+` FROM tokens ORDER BY name`, nil, func(row scanner) error {
		var t inbox.Token
		err := scanToken(row, &t)
		list = append(list, t)
		return err
	})
	return list, err
}

// UseToken notes the hour in which a token was used. It does not wait, and notes nothing when the store is busy.
func (s *Store) UseToken(ctx context.Context, name string, at time.Time) {
	hour := millis(at.Truncate(time.Hour))
	_ = s.submit(ctx, &op{Kind: commit.Background, Size: 64, Done: func(error) {}, Apply: func(t *tx) error { // a lost note only shows an older use
		_, err := t.exec(`UPDATE tokens SET used_at = ?1 WHERE name = ?2 AND coalesce(used_at, 0) < ?1`, hour, name)
		return err
	}})
}

// RevokeToken deletes a token. It is NotFound without one.
func (s *Store) RevokeToken(ctx context.Context, who inbox.Actor, name string) error {
	return s.write(ctx, func(t *tx) error {
		var found bool
		if err := t.get(`SELECT EXISTS (SELECT 1 FROM tokens WHERE name = ?)`, name).Scan(&found); err != nil {
			return err
		}
		if !found {
			return inbox.Errorf(inbox.NotFound, "", "there is no token %s", name).WithHint("`inbox token list` shows all tokens")
		}
		if _, err := t.exec(`DELETE FROM tokens WHERE name = ?`, name); err != nil {
			return err
		}
		return t.audit(who, "token", "revoke token "+name)
	})
}
