package operator_test

import (
	"strings"
	"testing"
	"time"

	"inbox/inbox"
)

func TestStatusListsRefusalsAndOnlyLostWebhooksAreReasons(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	count := func(source, why string, lost bool, n int64, at time.Time) inbox.Refusal {
		return inbox.Refusal{Source: source, Why: why, Lost: lost, Hour: at.Truncate(time.Hour), Count: n, LastAt: at}
	}
	if err := r.store.CountRefusals(t.Context(), []inbox.Refusal{
		count("qoreid", "missing", false, 1000, now), count("qoreid", "malformed", false, 10, now), count("qoreid", "too_large", false, 5, now),
		count("qoreid", "too_large", true, 3, now.Add(-2*time.Hour)), count("qoreid", "slow", true, 9, now.Add(-30*time.Hour)),
	}); err != nil {
		t.Fatal(err)
	}
	r.opt.Refused = func() []inbox.Refusal {
		return []inbox.Refusal{count("", "not_found", true, 20, now), count("qoreid", "too_large", true, 4, now)}
	}
	_, text := r.get("GET", "/v1/status", "")
	for _, want := range []string{
		`"why":"missing","lost":false,"count":1000`, `"why":"too_large","lost":false,"count":5`, `"why":"too_large","lost":true,"count":7`,
		`"code":"lost_too_large","message":"since yesterday 7 signed webhooks of source qoreid were larger than max_body`,
		`"code":"lost_not_found","message":"since yesterday 20 signed webhooks were sent to a path that no source has (404)"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in %s", want, text)
		}
	}
	if n := strings.Count(text, `"code":`); n != 2 || strings.Contains(text, `"why":"slow"`) {
		t.Errorf("%d reasons: %s", n, text)
	}
}
