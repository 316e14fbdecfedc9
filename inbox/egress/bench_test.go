package egress_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// BenchmarkSend compares the client with a bare one of net/http: the same receiver, body, headers and concurrency (16 for
// each processor). The time of the second divided by that of the first bounds outbox.send.vs_client.
func BenchmarkSend(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	defer s.Close()
	body := []byte(strings.Repeat("x", 1<<10))
	run := func(b *testing.B, send func() error) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := send(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.Run("egress", func(b *testing.B) {
		g, err := egress.ParseGrant(nil, []string{s.URL})
		if err != nil {
			b.Fatal(err)
		}
		to, err := egress.ParseOrigin(s.URL)
		if err != nil {
			b.Fatal(err)
		}
		secret := egress.NewSecret("token", token, []egress.Origin{to})
		c, err := egress.New(g, egress.Options{Secret: func(string) (egress.Secret, bool) { return secret, true }})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		call := egress.Call{IdempotencyKey: "key", Request: inbox.Request{
			Method: "POST", URL: s.URL + "/v1", Body: body, Headers: []inbox.Header{{Name: "Content-Type", Value: "application/json"}},
			Secrets: map[string]string{"Authorization": "Bearer {{secret.token}}"},
		}}
		run(b, func() error {
			_, err := c.Do(b.Context(), call)
			return err
		})
	})
	b.Run("net-http", func(b *testing.B) {
		c := &http.Client{Transport: &http.Transport{MaxIdleConns: 128, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
		defer c.CloseIdleConnections()
		run(b, func() error {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL+"/v1", bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Idempotency-Key", "key")
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
			return err
		})
	})
}
