package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func entitiesAreFoundByTheirNewestEvent(t *testing.T, open Open) {
	ctx := t.Context()
	s := addresses(t, open)
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    inbox.EntityFilter
		want []int
	}{
		"all of addresses":         {inbox.EntityFilter{Filter: inbox.Filter{Events: []string{"address"}}}, []int{2, 1, 3}},
		"open":                     {inbox.EntityFilter{Open: true}, []int{1, 3}},
		"old":                      {inbox.EntityFilter{Filter: inbox.Filter{Events: []string{"address"}}, OlderThan: time.Hour}, []int{1, 3}},
		"exactly as old":           {inbox.EntityFilter{Open: true, OlderThan: 3 * time.Hour}, []int{3}},
		"open and too young":       {inbox.EntityFilter{Open: true, OlderThan: 72 * time.Hour}, nil},
		"a limit":                  {inbox.EntityFilter{Filter: inbox.Filter{Limit: 1}, Open: true}, []int{1}},
		"by an event in its past":  {inbox.EntityFilter{Filter: inbox.Filter{EventTypes: []string{"step*"}}}, []int{1}},
		"by a status in its past":  {inbox.EntityFilter{Filter: inbox.Filter{Statuses: []string{"verified"}}}, []int{2, 1}},
		"by a value and a limit":   {inbox.EntityFilter{Filter: inbox.Filter{Limit: 1, Where: []inbox.Condition{{Pointer: "/data/id", Values: []string{"3", "1"}}}}}, []int{1}},
		"by a reference":           {inbox.EntityFilter{Filter: inbox.Filter{CustomerReference: "r3"}}, []int{3}},
		"by until":                 {inbox.EntityFilter{Filter: inbox.Filter{Until: start.Add(3 * time.Hour)}}, []int{2, 1}},
		"by since":                 {inbox.EntityFilter{Filter: inbox.Filter{Since: start.Add(6 * time.Hour), Events: []string{"address"}}}, []int{2}},
		"a key":                    {inbox.EntityFilter{Filter: inbox.Filter{Key: "qoreid/address/3"}}, []int{3}},
		"another mode":             {inbox.EntityFilter{Filter: inbox.Filter{Mode: inbox.Test}}, nil},
		"the page before an event": {inbox.EntityFilter{Filter: inbox.Filter{Before: 6}}, []int{1, 3}},
		"after an event":           {inbox.EntityFilter{Filter: inbox.Filter{After: 5, Events: []string{"address"}}}, []int{2}},
	} {
		list, err := s.Entities(ctx, c.f)
		var got []int
		for _, e := range list {
			id := 0
			if _, err := fmt.Sscanf(e.Key, "qoreid/address/%d", &id); err != nil {
				t.Errorf("%s: key %q", name, e.Key)
			}
			got = append(got, id)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v, %v", name, got, c.want, err)
		}
	}
	list, err := s.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{CustomerReference: "r2"}})
	same(t, "an entity", list, err, []inbox.Entity{{
		Mode: inbox.Live, Key: "qoreid/address/2", CustomerReference: "r2", Event: "address", FirstAt: start.Add(2 * time.Hour), LastAt: start.Add(6 * time.Hour),
		Events: 3, Late: 1, TopRank: 3, Verdict: inbox.Unknown, Status: "VERIFIED",
	}})
}

// addresses returns a store with six events of three address verifications, one hour apart, and an event of an unknown kind.
func addresses(t *testing.T, open Open) Store {
	t.Helper()
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	s := open(t, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }})
	arrive := func(id int, typ, status string) {
		mu.Lock()
		clock = clock.Add(time.Hour)
		mu.Unlock()
		inboxtest.Accept(t, s, fmt.Sprintf(`{"event":"address","event_type":%q,"data":{"id":%d,"customerReference":"r%d","status":{"status":%q},"at":%q}}`,
			typ, id, id, status, clock))
	}
	arrive(1, "verification_started", "IN PROGRESS")
	arrive(2, "verification_started", "IN PROGRESS")
	arrive(3, "verification_started", "IN PROGRESS")
	arrive(2, "verification_completed", "VERIFIED")
	arrive(1, "step_verification_completed", "VERIFIED")
	arrive(2, "verification_started", "IN PROGRESS") // late
	inboxtest.Accept(t, s, `{"event":"nothing known"}`)
	return s
}

func aListOverSeveralChunksOfTheLogHasEveryEventOnce(t *testing.T, open Open) {
	ctx := t.Context()
	s := open(t, Options{Fast: true})
	const n = 5600 // two chunks
	inboxtest.Fill(t, s, n)
	var seqs []int64
	for seq := int64(1); seq <= n; seq++ {
		seqs = append(seqs, seq)
	}
	backward := slices.Clone(seqs)
	slices.Reverse(backward)
	many := append(slices.Clone(seqs), make([]int64, 40_000)...) // more than the parameters of a statement
	for name, c := range map[string]struct {
		f    inbox.Filter
		want []int64
	}{
		"in order":         {inbox.Filter{}, seqs},
		"newest first":     {inbox.Filter{Newest: true}, backward},
		"many seqs":        {inbox.Filter{Seqs: many}, seqs},
		"a range":          {inbox.Filter{After: 4990, Before: 5020}, seqs[4990:5019]},
		"newest, a limit":  {inbox.Filter{Newest: true, Limit: 700}, backward[:700]},
		"newest, a status": {inbox.Filter{Newest: true, Before: 5001, Limit: 3, Statuses: []string{"unknown"}}, []int64{5000, 4999, 4998}},
	} {
		list, err := s.Find(ctx, c.f)
		got := make([]int64, 0, len(list))
		for i := range list {
			got = append(got, list[i].Seq)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d events, want %d, %v", name, len(got), len(c.want), err)
		}
	}
	entities, err := s.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{Limit: 700}})
	if err != nil || len(entities) != 700 || entities[0].LastAt.Before(entities[699].LastAt) || !slices.IsSortedFunc(entities, func(a, b inbox.Entity) int { return b.LastAt.Compare(a.LastAt) }) {
		t.Errorf("%d entities, %v", len(entities), err)
	}
}
