package storetest

import (
	"testing"
	"time"

	"inbox/inbox"
)

func fetchTests() []test {
	return []test{
		{"the journal of an attempt is read as it was written, with every outcome", theJournalOfAnAttemptIsReadAsItWasWritten},
		{"a replay that does not send has the journal of the newest attempt that settled", aReplayThatDoesNotSendHasTheJournalOfTheNewestAttemptThatSettled},
	}
}

// Fetch returns a fetch from an origin at a time.
func Fetch(path string, at time.Time) inbox.Fetched {
	r := &inbox.Request{Method: "GET", URL: crm + path}
	return inbox.Fetched{
		Method: r.Method, URL: r.URL, Origin: crm, Digest: inbox.DigestFetch(r), Status: 200, StartedAt: at, Duration: 3 * time.Millisecond,
		Document: []byte(`{"status":200,"headers":{},"body":"` + path + `","truncated":false}`),
	}
}

// fetched settles an attempt of event 1 in p with a journal.
func fetched(t *testing.T, s Store, run int64, result inbox.Result, fate inbox.Fate, list ...inbox.Fetched) {
	t.Helper()
	st := &inbox.Settlement{Plugin: "p", Attempt: Attempt(1, 1, result, fate), Effects: &inbox.Effects{Lane: OneLane(), Journal: list}}
	st.Attempt.Plugin, st.Attempt.Run = "p", run
	st.Attempt.StartedAt = st.Attempt.StartedAt.Add(time.Duration(run) * time.Minute)
	if run == 0 {
		st.Position.Cursor = 1
	}
	if fate == inbox.Again {
		st.Lane.Put = &inbox.Lane{ID: OneLane(), Next: 1, State: inbox.LaneRetry, DueAt: At(60), Attempt: 1, Since: At(0)}
	}
	if err := Settle(s, st); err != nil {
		t.Fatal(err)
	}
}

func theJournalOfAnAttemptIsReadAsItWasWritten(t *testing.T, open Open) {
	for _, one := range []struct {
		result inbox.Result
		fate   inbox.Fate
	}{{inbox.OK, inbox.Done}, {inbox.Trap, inbox.Again}} {
		s := ready(t, open, 1)
		refused := Fetch("/3", At(7))
		refused.Status, refused.Document, refused.Why, refused.Ended, refused.Duration = 0, nil, "the address is not allowed", inbox.Denied, 0
		failed := Fetch("/2", At(6))
		failed.Status, failed.Why, failed.Document, failed.Again = 0, "no answer", inbox.FailedFetchDocument("no answer"), true
		list := []inbox.Fetched{Fetch("/1?a=b", At(5)), failed, refused}
		fetched(t, s, 0, one.result, one.fate, list...)
		got, err := s.Journal(t.Context(), "p", 1, 0, 1)
		same(t, "the journal of an attempt that ended in "+string(one.result), got, err, list)
		got, err = s.Journal(t.Context(), "p", 1, 0, 2)
		same(t, "the journal of no attempt", got, err, nil)
		tr, err := s.Trace(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		var want []inbox.AttemptFetch
		for i, f := range list {
			f.URL, f.Document, f.Digest = "", nil, inbox.FetchDigest{}
			want = append(want, inbox.AttemptFetch{Attempt: 1, Index: i, Fetched: f})
		}
		same(t, "the fetches of the timeline", tr.Deliveries[0].Fetches, nil, want)
	}
}

func aReplayThatDoesNotSendHasTheJournalOfTheNewestAttemptThatSettled(t *testing.T, open Open) {
	s := ready(t, open, 1)
	replay := func(how inbox.ReplayEffects) int64 {
		t.Helper()
		j := &inbox.Replay{Only: inbox.OnlyAll, Plugins: []string{"p"}, Filter: inbox.Filter{Seqs: []int64{1}}, Effects: how}
		if err := s.CreateReplay(t.Context(), operator, j); err != nil {
			t.Fatal(err)
		}
		return j.ID
	}
	end := func(id int64) {
		t.Helper()
		if err := Settle(s, &inbox.Settlement{Plugin: "p", Replay: &inbox.ReplayStep{Replay: id, Plugin: "p", Position: 1, Done: true}}); err != nil {
			t.Fatal(err)
		}
	}
	journal := func(id int64) *inbox.Journal {
		t.Helper()
		j, err := s.ReplayJournal(t.Context(), "p", 1, id)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	first, second := Fetch("/first", At(5)), Fetch("/second", At(6))
	fetched(t, s, 0, inbox.OK, inbox.Done, first)
	sends, holds := replay(""), replay(inbox.HoldEffects)
	if j := journal(sends); j != nil {
		t.Errorf("a replay that sends has the journal %+v", j)
	}
	same(t, "the journal of a replay that holds", journal(holds), nil, &inbox.Journal{Fetches: []inbox.Fetched{first}})
	fetched(t, s, sends, inbox.OK, inbox.Done, second)
	drops := replay(inbox.DropEffects)
	same(t, "the journal of a replay that drops, after one that sent", journal(drops), nil, &inbox.Journal{Fetches: []inbox.Fetched{second}})
	for _, id := range []int64{sends, holds, drops} {
		end(id)
	}
	if _, err := s.ReplayJournal(t.Context(), "p", 1, 99); err == nil {
		t.Error("an unknown replay has a journal")
	}
}
