package operator_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/inboxtest"
	"inbox/inbox/operator"
	"inbox/inbox/store"
)

func probe(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestHealthProbesNeedNoTokenAndNameTheReasons(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Create: true, Server: true})
	if err != nil {
		t.Fatal(err)
	}
	stop := inboxtest.Run(t, s)
	h := operator.Health(operator.Options{Store: s, Control: &control{}}, operator.NewMetrics())
	if code, body := probe(h, "/healthz"); code != 200 || body != "ok\n" {
		t.Error(code, body)
	}
	if code, body := probe(h, "/readyz"); code != 200 || body != `{"ready":true,"reasons":[]}`+"\n" {
		t.Error(code, body)
	}
	if code, _ := probe(h, "/v1/status"); code != 404 {
		t.Errorf("the API is served beside the probes: %d", code)
	}
	stop()
	if code, body := probe(h, "/readyz"); code != 503 || !strings.Contains(body, "stopping") {
		t.Error(code, body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if code, _ := probe(h, "/metrics"); code != 503 {
		t.Errorf("metrics of a closed store: %d", code)
	}
}

func TestMetricsCountWithoutKeysIdsAndPersonalData(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.plugin("crm")
	r.accept(12345678, 2)
	r.die("crm", 1, inbox.Reject)
	m := operator.NewMetrics()
	for _, w := range []operator.Webhook{
		{Source: "qoreid", Code: 200, Status: "stored", Secret: "new", Size: 10, Duration: time.Millisecond},
		{Source: "qoreid", Code: 200, Status: "duplicate", Secret: "old"},
		{Source: "qoreid", Code: 200, Status: "probe"},
		{Source: "qoreid", Code: 401, Status: "mismatch"},
		{Code: 404, Status: "not_found"},
	} {
		m.CountWebhook(w)
	}
	m.CountAttempt(&inbox.Attempt{Plugin: "crm", Result: inbox.Reject, Seq: 1, Duration: 20 * time.Millisecond})
	code, body := probe(operator.Health(r.opt, m), "/metrics")
	if code != 200 {
		t.Fatal(code, body)
	}
	for _, want := range []string{
		`inbox_webhook_answers_total{code="200"} 3`, `inbox_webhook_answers_total{code="404"} 1`, `inbox_events_received_total{source="qoreid"} 1`,
		`inbox_events_received_bytes_total{source="qoreid"} 10`, `inbox_duplicates_total{source="qoreid"} 1`, `inbox_probes_total{source="qoreid"} 1`,
		`inbox_refused_total{source="qoreid",reason="mismatch"} 1`, `inbox_secret_matches_total{source="qoreid",secret="new"} 1`,
		`inbox_webhook_seconds_bucket{source="qoreid",le="0.001"}`, `inbox_attempts_total{plugin="crm",outcome="reject"} 1`,
		`inbox_dispatch_seconds_bucket{plugin="crm",le="0.025"} 1`, `inbox_build_info{version="v1"} 1`, "inbox_events 2", "inbox_wal_bytes ",
		`inbox_dead_letters{plugin="crm"} 1`, `inbox_parked_lanes{plugin="crm"} 1`, `inbox_on_hold{plugin="crm"} 0`, `inbox_queue_depth{plugin="crm"} 1`,
		`inbox_lag_seconds{plugin="crm"} `, "inbox_quarantine_requests 0", `inbox_plugin_build_info{plugin="crm",release="rel1"} 1`, "process_cpu",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(body, "12345678") || strings.Contains(body, "evt_") || strings.Contains(body, "Ada") {
		t.Error("a key, an id or personal data is among the metrics")
	}
	line := regexp.MustCompile(`^(#.*|[a-z_]+(\{([a-zA-Z_]+="[^"]*",? ?)+\})? [0-9.e+Ina-]+)$`)
	allowed := []string{"code", "source", "reason", "secret", "plugin", "outcome", "version", "release", "le", "state", "area"}
	label := regexp.MustCompile(`([a-z_]+)="`)
	for text := range strings.Lines(body) {
		text = strings.TrimSpace(text)
		if !line.MatchString(text) {
			t.Errorf("not in the format: %s", text)
		}
		for _, l := range label.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(text, "inbox_") && !slices.Contains(allowed, l[1]) {
				t.Errorf("label %s in %s", l[1], text)
			}
		}
	}
}
