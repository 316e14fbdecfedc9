package store

import (
	"context"
	"fmt"

	"inbox/inbox"
	"inbox/inbox/store/commit"
)

// newestTerm reads the term of the newest server that opened the file; 0 when none has.
const newestTerm = `SELECT coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'term'), 0)`

// Term returns the term of a server's store, which began when it was opened; 0 for a store that is not a server's.
func (s *Store) Term() inbox.Term { return s.term }

// beginTerm begins a server's term: one higher than the newest in the file. A full disk does not prevent the start: the term is
// then stored with the first settlement, before which nothing depends on it.
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

// settleUnlessFenced applies a settlement, or reports that it is fenced and changes nothing.
func (t *tx) settleUnlessFenced(st *inbox.Settlement, version int64) (fenced bool, err error) {
	if fenced, err = t.fences(st.Term); err != nil || fenced {
		return fenced, err
	}
	return false, t.settle(st, version)
}

// fences reports whether a settlement of a term must change nothing, because a newer term has begun. The file decides, not
// the memory of this store: another server may have opened it.
func (t *tx) fences(term inbox.Term) (bool, error) {
	if t.term == 0 {
		if err := t.get(newestTerm).Scan(&t.term); err != nil {
			return false, fmt.Errorf("read the newest term: %w", err)
		}
	}
	if own := t.w.s.term; t.term < own { // it could not be stored when it began
		if err := t.setMeta("term", int64(own)); err != nil {
			return false, err
		}
		t.term = own
	}
	return term != t.term, nil
}

// Load begins the work on a plugin. It returns the position of the plugin, as [Store.Record] does, and the term that the
// settlements must carry which rest on it. It returns [inbox.ErrFenced] when a newer server has opened the store.
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
