package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"inbox/inbox"
)

// LinkEntity ties a key to a customer reference. It is NotFound when the key has no event, unless the request allows that. It is a
// Conflict when the key is tied to another reference, unless the request replaces it, and when its events carry another one. The
// same link a second time changes nothing.
func (s *Store) LinkEntity(ctx context.Context, who inbox.Actor, r *inbox.LinkRequest) (*inbox.EntityLink, error) {
	var l inbox.EntityLink
	err := s.write(ctx, func(t *tx) error {
		old, err := t.entityLink(r.Mode, r.Key)
		if err != nil {
			return err
		}
		if old != nil && old.Reference == r.Reference {
			l = *old
			return nil
		}
		if err := t.checkLink(r, old); err != nil {
			return err
		}
		l = inbox.EntityLink{Mode: r.Mode, Key: r.Key, Reference: r.Reference, After: t.head, At: fromMillis(t.now)}
		target := fmt.Sprintf("%s %s to customer reference %s", r.Mode, r.Key, r.Reference)
		if old != nil {
			l.Before = old.Reference
			target += " in place of " + old.Reference
		}
		if _, err := t.exec(`INSERT INTO entity_links (mode, key, reference, after, at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (mode, key) DO UPDATE SET reference = excluded.reference, after = excluded.after, at = excluded.at`,
			l.Mode, l.Key, l.Reference, l.After, t.now); err != nil {
			return err
		}
		t.linked = true
		t.after = append(t.after, func() { s.linked.Store(true) })
		return t.audit(who, "link", target)
	})
	if err != nil {
		return nil, err
	}
	l.Waiting, err = s.laggingBehind(ctx, &l)
	return &l, err
}

// entityLink returns the link of a key, nil without one.
func (t *tx) entityLink(mode inbox.Mode, key string) (*inbox.EntityLink, error) {
	l := inbox.EntityLink{Mode: mode, Key: key}
	err := t.get(`SELECT reference, after, at FROM entity_links WHERE mode = ? AND key = ?`, mode, key).Scan(&l.Reference, &l.After, moment{&l.At})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &l, nil
}

// checkLink returns an error when a key must not be linked. old is its link until now.
func (t *tx) checkLink(r *inbox.LinkRequest, old *inbox.EntityLink) error {
	switch {
	case old != nil && r.Replace:
		return nil
	case old != nil:
		return inbox.Errorf(inbox.Conflict, "", "%s is linked to the customer reference %s since %s", r.Key, old.Reference, old.At.Format("2006-01-02")).
			WithHint("--replace links it to another one, for the events that arrive from now on")
	}
	var events int
	var carried string
	err := t.get(`SELECT EXISTS (SELECT 1 FROM events WHERE mode = ?1 AND key = ?2),
		coalesce((SELECT customer_reference FROM events WHERE mode = ?1 AND key = ?2 AND customer_reference <> '' ORDER BY seq DESC LIMIT 1), '')`,
		r.Mode, r.Key).Scan(&events, &carried)
	switch {
	case err != nil:
		return err
	case events == 0 && !r.Ahead:
		return inbox.Errorf(inbox.NotFound, "", "no %s event has the key %q", r.Mode, r.Key).
			WithHint("`inbox entity list` shows all keys; --ahead links a key whose first event is still to come")
	case carried != "" && carried != r.Reference:
		return inbox.Errorf(inbox.Conflict, "", "the events of %s carry the customer reference %s themselves", r.Key, carried).
			WithHint("a link is for verifications whose payloads carry no reference")
	}
	return nil
}

// linkedView returns a view with the reference that its key is linked to, if its payload carries none. The look-up is skipped while no key
// is linked.
func (t *tx) linkedView(mode inbox.Mode, view inbox.View) (inbox.View, error) {
	if view.CustomerReference != "" || !t.linked && t.w.s.opt.Server && !t.w.s.linked.Load() {
		return view, nil
	}
	l, err := t.entityLink(mode, view.Key)
	if l != nil {
		view.CustomerReference = l.Reference
	}
	return view, err
}

// LinkedReference returns the customer reference that a key is linked to, empty without a link.
func (s *Store) LinkedReference(ctx context.Context, mode inbox.Mode, key string) (ref string, err error) {
	if s.opt.Server && !s.linked.Load() {
		return "", nil
	}
	err = s.readers.QueryRowContext(ctx, `SELECT reference FROM entity_links WHERE mode = ? AND key = ?`, mode, key).Scan(&ref)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return ref, readError(err)
}

// laggingBehind returns the plugins with lanes by reference that have not run all events of a key up to its link.
func (s *Store) laggingBehind(ctx context.Context, l *inbox.EntityLink) ([]string, error) {
	var names []string
	err := s.each(ctx, `SELECT p.name FROM plugins p WHERE p.lane_rule = ? AND (
			EXISTS (SELECT 1 FROM lanes l WHERE l.plugin = p.id AND l.mode = ?2 AND l.key = ?3)
			OR EXISTS (SELECT 1 FROM events e WHERE e.mode = ?2 AND e.key = ?3 AND e.seq > p.cursor AND e.seq <= ?4)) ORDER BY p.name`,
		[]any{inbox.LaneRule{Order: inbox.ByKey, By: inbox.KeyByReference}.String(), l.Mode, l.Key, l.After}, func(row scanner) error {
			names = append(names, "")
			return row.Scan(&names[len(names)-1])
		})
	return names, err
}
