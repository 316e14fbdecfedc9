package store

import (
	"context"
	"fmt"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// newestTerm reads the term of the newest server that opened the file, 0 if no server has.
const newestTerm = `SELECT coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'term'), 0)`

// Term returns the term that began when a server opened the store, 0 without Options.Server.
func (s *Store) Term() inbox.Term { return s.term }

// beginTerm begins a server's term, whose number is the newest in the file plus 1. A full disk does not prevent the start: the
// term is then stored with the first settlement. Nothing depends on it earlier.
func (s *Store) beginTerm(c *conn) error {
	var newest inbox.Term
	if err := c.Get(newestTerm).Scan(&newest); err != nil {
		return fmt.Errorf("read the newest term: %w", err)
	}
	s.term = newest + 1
	_, err := c.Exec(`INSERT INTO meta (name, value) VALUES ('term', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`, fmt.Sprint(s.term))
	if commit.DiskFailed(err) && !commit.FlushFailed(err) {
		s.opt.Log.Warn("cannot store the server's term at the start; it is stored with the first settlement", "error", err)
		return nil
	}
	return err
}

// settleUnlessFenced applies a settlement. It changes nothing and returns true if the settlement is fenced.
func (t *tx) settleUnlessFenced(st *inbox.Settlement, version int64) (fenced bool, err error) {
	if fenced, err = t.isFenced(st.Term); err != nil || fenced {
		return fenced, err
	}
	return false, t.settle(st, version)
}

// isFenced reports whether settlements of a term must be rejected because a newer term has begun. It reads the term in the file,
// because another server may have opened the file.
func (t *tx) isFenced(term inbox.Term) (bool, error) {
	if t.term == 0 {
		if err := t.get(newestTerm).Scan(&t.term); err != nil {
			return false, fmt.Errorf("read the newest term: %w", err)
		}
	}
	if own := t.w.s.term; t.term < own { // beginTerm could not store it
		if err := t.setMeta("term", int64(own)); err != nil {
			return false, err
		}
		t.term = own
	}
	return term != t.term, nil
}

// Load begins the work on a plugin. It returns the plugin's record, as [Store.Record] does, and the term that the plugin's
// settlements must carry. It returns [inbox.ErrFenced] when a newer server has opened the store.
func (s *Store) Load(ctx context.Context, plugin string) (*inbox.PluginRecord, inbox.Term, error) {
	var newest inbox.Term
	if err := s.readers.QueryRowContext(ctx, newestTerm).Scan(&newest); err != nil {
		return nil, 0, readError(fmt.Errorf("read the newest term: %w", err))
	}
	if s.opt.Server && newest > s.term {
		return nil, 0, inbox.ErrFenced
	}
	r, err := s.Record(ctx, plugin)
	return r, max(newest, s.term), err
}
