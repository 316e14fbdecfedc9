package store

import (
	"context"
	"math"

	"inbox/inbox"
)

// auditColumns are the columns of audit that make an inbox.AuditEntry.
const auditColumns = `at, actor, action, target, reason`

// audit records an action in the transaction that performs it.
func (t *tx) audit(actor inbox.Actor, action, target string) error {
	_, err := t.exec(`INSERT INTO audit (`+auditColumns+`) VALUES (?, ?, ?, ?, ?)`, t.now, actor.Name, action, target, actor.Reason)
	return err
}

// Audit records an action that changes nothing in the store, such as revealing a payload.
func (s *Store) Audit(ctx context.Context, actor inbox.Actor, action, target string) error {
	return s.write(ctx, func(t *tx) error { return t.audit(actor, action, target) })
}

// AuditLog returns the recorded actions that a filter selects, the newest first.
func (s *Store) AuditLog(ctx context.Context, f inbox.AuditFilter) ([]inbox.AuditEntry, error) {
	until, limit := int64(math.MaxInt64), -1
	if !f.Until.IsZero() {
		until = millis(f.Until)
	}
	if f.Limit > 0 {
		limit = f.Limit
	}
	var list []inbox.AuditEntry
	err := s.each(ctx, `SELECT `+auditColumns+` FROM audit
		WHERE (?1 = '' OR action = ?1) AND (?2 = '' OR actor = ?2) AND at >= ?3 AND at < ?4
		ORDER BY id DESC LIMIT ?5`, []any{f.Action, f.Actor, millis(f.Since), until, limit}, func(row scanner) error {
		var e inbox.AuditEntry
		if err := row.Scan(moment{&e.At}, &e.Actor, &e.Action, &e.Target, &e.Reason); err != nil {
			return err
		}
		list = append(list, e)
		return nil
	})
	return list, err
}
