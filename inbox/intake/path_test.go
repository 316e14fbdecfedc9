package intake_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
)

// A redirect would lose the body, and a 404 the webhook. So small mistakes in an entered address are folded.
func TestASignedWebhookAtNearlyTheRightPathIsStored(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"//webhooks/qoreid", "/webhooks//qoreid", "/webhooks/qoreid/", "/webhooks/qoreid//", "///webhooks///qoreid///", "/Webhooks/QoreID", "//WEBHOOKS/QOREID/",
		"/webhooks/./qoreid", "/x/../webhooks/qoreid", "/webhooks/qoreid/.", "/../webhooks/qoreid", "/%77ebhooks/qoreid", "/webhooks%2Fqoreid", "/webhooks/qoreid%2f",
		"/webhooks/qoreid%20", "//webhooks/qoreid?x=//y", "http://inbox//webhooks/qoreid", "/webhooks/qoreid?",
	} {
		d := open(t, intake.Options{})
		w := d.dial(t)
		w.say("POST %s HTTP/1.1\r\nHost: inbox\r\n%s\r\nContent-Length: %d\r\n\r\n%s", target, signature(body), len(body), body)
		if code, got := w.hear(); code != http.StatusOK || !strings.Contains(got, "stored") {
			t.Errorf("%s: %d %s", target, code, got)
		}
	}
}

func TestAPathThatCouldMeanTwoSourcesMeansNone(t *testing.T) {
	t.Parallel()
	one, two, three := source(), source(), source()
	one.Name, one.Path = "one", "/in/A"
	two.Name, two.Path = "two", "/in/a/"
	three.Name, three.Path = "three", "/other"
	d := open(t, intake.Options{Sources: []intake.Source{one, two, three}})
	for target, want := range map[string]string{"/in/A": "one", "/in/a": "two", "//in/A/": "one", "/IN/a": "", "/In/A": "", "/OTHER": "three"} {
		r := d.do(t, d.request(t, http.MethodPost, target, body, signed(body)...))
		if a := d.answer(t); a.Source != want || (r.code == http.StatusOK) != (want != "") {
			t.Errorf("%s: answered %+v by %q", target, r, a.Source)
		}
	}
}

func TestASignedWebhookAtAnUnknownPathIsCountedAndAStrangersIsNot(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	counts := intake.NewRefusals(nothingLogged(), nil)
	s := source()
	s.Header = "X-Signed"
	other := source()
	other.Name, other.Path = "other", "/other"
	d := open(t, intake.Options{Sources: []intake.Source{other, s}, Refusals: counts, Now: func() time.Time { return at }})
	for _, headers := range [][]string{nil, {"X-Signed", "nonsense"}, {"X-Else", signed(body)[1]}} {
		if r := d.do(t, d.request(t, http.MethodPost, "/webhooks/qoreidd", body, headers...)); r.code != 404 {
			t.Errorf("%v: %+v", headers, r)
		}
		if a := d.answer(t); a.Lost {
			t.Errorf("%v: observed %+v", headers, a)
		}
	}
	if got := counts.Unstored(); len(got) != 0 {
		t.Errorf("counted %+v", got)
	}
	for _, headers := range [][]string{signed(body), {"X-Signed", signed(body)[1]}, {"X-Signed", "", "X-Signed", signed(body)[1]}} {
		d.do(t, d.request(t, http.MethodPost, "/webhooks/qoreidd", body, headers...))
		if a := d.answer(t); !a.Lost || a.Code != 404 {
			t.Errorf("%v: observed %+v", headers, a)
		}
	}
	if got := counts.Unstored(); len(got) != 1 || got[0] != (inbox.Refusal{Why: inbox.RefusedPath, Lost: true, Count: 3, Hour: at.Truncate(time.Hour), LastAt: at}) {
		t.Errorf("counted %+v", got)
	}
}
