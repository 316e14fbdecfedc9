package inbox_test

import (
	"fmt"
	"testing"
	"time"

	"inbox/inbox"
)

func TestNextSendDecidesWhatBecomesOfAnEffect(t *testing.T) {
	t.Parallel()
	park := inbox.Policy{MaxAttempts: 3, Base: time.Second, Max: time.Minute, OnFailure: inbox.Park}
	goOn := park
	goOn.OnFailure = inbox.Continue
	answer := func(status int) inbox.Sent { return inbox.Sent{Response: &inbox.Response{Status: status}} }
	after := func(s inbox.Sent, wait time.Duration) inbox.Sent { s.RetryAfter = wait; return s }
	failed := func(r inbox.Result) inbox.Sent { return inbox.Sent{Failure: r, Why: "because"} }
	again := func(counted int, wait time.Duration) inbox.Decision {
		return inbox.Decision{Fate: inbox.Again, Counted: counted, DueAt: noon.Add(wait)}
	}
	dead := func(counted int, parks bool) inbox.Decision {
		return inbox.Decision{Fate: inbox.Dead, Counted: counted, Parks: parks}
	}
	done := inbox.Decision{Fate: inbox.Done}
	for _, c := range []struct {
		name  string
		sent  inbox.Sent
		tries int
		run   int64
		p     inbox.Policy
		held  bool
		want  inbox.Decision
	}{
		{name: "200 is done", sent: answer(200), p: park, want: done},
		{name: "204 is done", sent: answer(204), p: park, want: done},
		{name: "299 is done, even at the last try", sent: answer(299), tries: 2, p: park, want: done},
		{name: "a redirect that is not followed is tried again", sent: answer(302), p: park, want: again(1, time.Second/2)},
		{name: "400 is dead at once", sent: answer(400), p: park, want: dead(1, true)},
		{name: "410 is dead at once", sent: answer(410), p: park, want: dead(1, true)},
		{name: "413 is dead at once", sent: answer(413), p: park, want: dead(1, true)},
		{name: "422 is dead at once", sent: answer(422), p: park, want: dead(1, true)},
		{name: "422 of a lane that continues parks nothing", sent: answer(422), p: goOn, want: dead(1, false)},
		{name: "401 is tried again: an operator mends it", sent: answer(401), p: park, want: again(1, time.Second/2)},
		{name: "404 is tried again", sent: answer(404), p: park, want: again(1, time.Second/2)},
		{name: "409 is tried again", sent: answer(409), p: park, want: again(1, time.Second/2)},
		{name: "500 is tried again", sent: answer(500), p: park, want: again(1, time.Second/2)},
		{name: "the bound of the wait doubles", sent: answer(503), tries: 1, p: park, want: again(2, time.Second)},
		{name: "429 waits as long as the receiver says", sent: after(answer(429), 17*time.Second), p: park, want: again(1, 17*time.Second)},
		{name: "a receiver asks for the policy's maximum at most", sent: after(answer(503), time.Hour), p: park, want: again(1, time.Minute)},
		{name: "a receiver cannot ask for a busy loop", sent: after(answer(429), 1), p: park, want: again(1, time.Second)},
		{name: "no response is tried again", sent: failed(inbox.Retry), p: park, want: again(1, time.Second/2)},
		{name: "the last try is dead", sent: answer(500), tries: 2, p: park, want: dead(3, true)},
		{name: "the last try without a response is dead", sent: failed(inbox.Retry), tries: 2, p: goOn, want: dead(3, false)},
		{name: "a try on hold is not counted", sent: answer(500), tries: 2, p: park, held: true, want: again(2, time.Second)},
		{name: "what was not granted is tried again on hold", sent: failed(inbox.Denied), p: park, held: true, want: again(0, time.Second/2)},
		{name: "what can never be sent is dead at once", sent: failed(inbox.Reject), p: park, want: dead(1, true)},
		{name: "a request whose bytes are lost is dead at once", sent: failed(inbox.Unreadable), p: park, want: dead(1, true)},
		{name: "an effect of a replay parks nothing", sent: answer(400), run: 4, p: park, want: dead(1, false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := &inbox.Effect{Cause: inbox.EffectCause{Seq: 1, Run: c.run}, EffectProgress: inbox.EffectProgress{Tries: c.tries, Counted: c.tries}}
			if got := inbox.NextSend(e, &c.sent, c.p, c.held, 0.5, noon); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAnIdempotencyKeyNamesOneRequestOfOneRun(t *testing.T) {
	t.Parallel()
	digest := []byte("0123456789abcdef0123456789abcdef")
	seen := map[string]string{}
	for i, key := range []string{
		inbox.IdempotencyKey("qoreid", digest, "crm", 0, 0, 0),
		inbox.IdempotencyKey("qoreid", digest, "crm", 0, 0, 1),
		inbox.IdempotencyKey("qoreid", digest, "crm", 1, 1764500000000, 0),
		inbox.IdempotencyKey("qoreid", digest, "crm", 1, 1764500000001, 0),
		inbox.IdempotencyKey("qoreid", digest, "crm2", 0, 0, 0),
		inbox.IdempotencyKey("qoreid2", digest, "crm", 0, 0, 0),
		inbox.IdempotencyKey("qoreid", digest[1:], "crm", 0, 0, 0),
		inbox.IdempotencyKey("qorei", append([]byte("d"), digest...), "crm", 0, 0, 0),
	} {
		if other, twice := seen[key]; twice || len(key) != 32 {
			t.Errorf("request %d has the key %q of request %s", i, key, other)
		}
		seen[key] = fmt.Sprint(i)
	}
	if got := inbox.IdempotencyKey("qoreid", digest, "crm", 0, 0, 0); got != "cae3ed51a8fa92546a9d7da2f86f75ff" {
		t.Errorf("the key is %s: receivers would take stored requests for new ones", got)
	}
}
