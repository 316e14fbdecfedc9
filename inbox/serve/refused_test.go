package serve_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"inbox/inbox/api"
	"inbox/inbox/inboxtest"
	"inbox/inbox/serve"
)

// After a restart an operator still sees which webhooks were refused.
func TestTheStatusReportsRefusedWebhooksAlsoAfterARestart(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"INBOX_QOREID_SECRET": secret}
	at, client, stop := startServer(t, serve.Options{}, map[string]string{"data": dir}, env)
	base := "http://" + at.Webhooks
	post(t, base+"//Webhooks/QoreID/", `{"event":"address"}`, secret, http.StatusOK, "stored")
	post(t, base+"/webhook/qoreid", `{"event":"address"}`, secret, http.StatusNotFound, "not_found")
	post(t, base+"/webhooks/qoreid", strings.Repeat("x", 10<<20+1), secret, http.StatusRequestEntityTooLarge, "too_large")
	post(t, base+"/webhooks/qoreid", `{"event":"address"}`, "", http.StatusUnauthorized, "missing")
	want := []string{"lost_not_found", "lost_too_large"}
	check := func(when string, client *api.Client) {
		t.Helper()
		st, err := client.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, r := range st.Reasons {
			if strings.HasPrefix(r.Code, "lost_") {
				codes = append(codes, r.Code)
			}
		}
		if strings.Join(codes, " ") != strings.Join(want, " ") || len(st.Refused) != 3 || st.Refused[0].Count != 1 {
			t.Errorf("%s: reasons %v, refused %+v", when, st.Reasons, st.Refused)
		}
	}
	check("at once", client)
	stop()
	_, client, stop = startServer(t, serve.Options{}, map[string]string{"data": dir}, env)
	check("after a restart", client)
	stop()
	inboxtest.Check(t, openStore(t, dir))
}

// A web page that uses DNS rebinding cannot read the operator's addresses.
func TestLoopbackAddressesOfTheOperatorRejectOtherHostNames(t *testing.T) {
	at, _, stop := startServer(t, serve.Options{}, map[string]string{"data": t.TempDir(), "health": "127.0.0.1:0"}, map[string]string{"INBOX_QOREID_SECRET": secret})
	defer stop()
	for _, url := range []string{at.Admin + "/readyz", at.Admin + "/metrics", at.Admin + "/v1/status", at.Health + "/readyz", at.Health + "/metrics"} {
		for host, refused := range map[string]bool{"": false, "localhost:1": false, "rebound.example": true} {
			r, err := http.NewRequest(http.MethodGet, "http://"+url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if (resp.StatusCode == http.StatusForbidden) != refused {
				t.Errorf("%s with Host %q is answered with %s", url, host, resp.Status)
			}
		}
	}
}
