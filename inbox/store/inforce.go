package store

import (
	"context"
	"errors"

	"inbox/inbox"
)

// inForce answers what a kv holds now, for one decision of [inbox.Effects.Hold].
type inForce struct {
	ctx context.Context
	kv  *pluginKV
}

// KVVersion returns the version of a key.
func (f inForce) KVVersion(key string) (int64, error) {
	e, err := f.kv.entry(f.ctx, key)
	return e.version, err
}

// KVKeys returns the keys of a listing.
func (f inForce) KVKeys(l inbox.KVList) ([]inbox.KVKey, error) {
	return f.kv.List(f.ctx, l.Prefix, l.After, l.Limit)
}

// KVAfter returns the size of the kv after some changes.
func (f inForce) KVAfter(changes []inbox.KVChange) (keys int, bytes int64, err error) {
	var u kvUsage
	if u.keys, u.bytes, err = f.kv.Usage(f.ctx); err != nil {
		return 0, 0, err
	}
	before, err := f.kv.entries(f.ctx, changes)
	if err != nil {
		return 0, 0, err
	}
	for i := range changes {
		u.replace(before[i], changedEntry(&changes[i], 1))
	}
	return u.keys, u.bytes, nil
}

// entries returns what the keys of some changes hold until now. A damaged value may be replaced.
func (k *pluginKV) entries(ctx context.Context, changes []inbox.KVChange) ([]kvEntry, error) {
	list := make([]kvEntry, len(changes))
	for i := range changes {
		var err error
		if list[i], err = k.entry(ctx, changes[i].Key); err != nil && !errors.Is(err, inbox.ErrDamaged) {
			return nil, err
		}
	}
	return list, nil
}

// Current reports whether the reads of an attempt hold against everything submitted so far.
func (s *Store) Current(ctx context.Context, plugin string, mode inbox.Mode, e *inbox.Effects) (bool, error) {
	return e.Hold(inForce{ctx, &pluginKV{s, kvName{plugin, mode}}})
}

// announce makes the effects of a settlement visible to attempts that start from now on, and returns their version. It returns
// [inbox.ErrRefused] when the reads of the attempt do not hold.
func (s *Store) announce(ctx context.Context, st *inbox.Settlement) (version int64, err error) {
	e := st.Effects
	if e == nil || e.Empty() && e.Reads.Empty() {
		return 0, nil
	}
	k := &pluginKV{s, kvName{st.Plugin, e.Lane.Mode}}
	switch current, err := e.Hold(inForce{ctx, k}); {
	case err != nil:
		return 0, err
	case !current:
		return 0, inbox.ErrRefused
	}
	before, err := k.entries(ctx, e.KV)
	if err != nil {
		return 0, err
	}
	return s.submitted.add(st.Plugin, e, before), nil
}

// withdraw forgets the effects of a settlement that has ended.
func (s *Store) withdraw(st *inbox.Settlement, version int64, durable bool) {
	if version != 0 {
		s.submitted.ended(st.Plugin, st.Effects, version, durable)
	}
}

// settleEffects stores the effects of an attempt.
func (t *tx) settleEffects(p int64, st *inbox.Settlement, version int64) error {
	if st.Effects.Empty() {
		return nil
	}
	if st.Attempt == nil {
		return inbox.Errorf(inbox.Internal, "", "effects without an attempt")
	}
	if err := t.settleState(p, st); err != nil {
		return err
	}
	if err := t.settleKV(p, st, version); err != nil {
		return err
	}
	if err := t.settleEmissions(p, st); err != nil {
		return err
	}
	if err := t.settleJournal(p, st); err != nil {
		return err
	}
	return t.settleRequests(p, st)
}
