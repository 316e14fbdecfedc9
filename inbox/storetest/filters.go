package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
)

func findSelectsByEveryFilter(t *testing.T, open Open) {
	ctx := t.Context()
	clock := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	s := open(t, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }})
	for i := range 30 {
		mu.Lock()
		clock = clock.Add(time.Hour)
		mu.Unlock()
		event := []string{"address", "workflow", "identity"}[i%3]
		inboxtest.Accept(t, s, fmt.Sprintf(`{"event":%q,"event_type":"verification_completed","data":{"id":%d,"customerReference":"r%d","status":{"status":"VERIFIED","state":"COMPLETE"},"n":%d}}`, event, i/3, i%5, i))
	}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    inbox.Filter
		want int
	}{
		"everything":     {inbox.Filter{}, 30},
		"an event":       {inbox.Filter{Events: []string{"workflow"}}, 10},
		"two events":     {inbox.Filter{Events: []string{"work*", "identity"}}, 20},
		"a type":         {inbox.Filter{EventTypes: []string{"step_*"}}, 0},
		"a key":          {inbox.Filter{Key: "qoreid/address/3"}, 1},
		"a reference":    {inbox.Filter{CustomerReference: "r2"}, 6},
		"a mode":         {inbox.Filter{Mode: inbox.Test}, 0},
		"a verdict":      {inbox.Filter{Statuses: []string{"passed"}}, 30},
		"a status":       {inbox.Filter{Statuses: []string{"verified"}}, 30},
		"another status": {inbox.Filter{Statuses: []string{"failed"}}, 0},
		"since":          {inbox.Filter{Since: start.Add(21 * time.Hour)}, 10},
		"until":          {inbox.Filter{Until: start.Add(11 * time.Hour)}, 10},
		"in the future":  {inbox.Filter{Since: start.Add(1000 * time.Hour)}, 0},
		"a value":        {inbox.Filter{Where: []inbox.Condition{{Pointer: "/data/n", Values: []string{"7", "8"}}}}, 2},
		"a limit":        {inbox.Filter{Limit: 4}, 4},
		"after":          {inbox.Filter{After: 25}, 5},
		"seqs":           {inbox.Filter{Seqs: []int64{3, 9, 99}}, 2},
	} {
		got, err := s.Find(ctx, c.f)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d events, want %d, %v", name, len(got), c.want, err)
		}
	}
	newest, err := s.Find(ctx, inbox.Filter{Newest: true, Limit: 2})
	same(t, "newest", seqsOf(newest), err, []int64{30, 29})
	entities, err := s.Entities(ctx, inbox.EntityFilter{Filter: inbox.Filter{Limit: 3}})
	if err != nil || len(entities) != 3 || entities[0].Key != "qoreid/identity/9" || entities[0].Open {
		t.Errorf("entities: %+v, %v", entities, err)
	}
}
