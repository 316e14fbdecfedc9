package operator

import (
	"fmt"
	"inbox/inbox/api"
	"log/slog"
	"net/http"
	"time"

	"inbox/inbox"
)

// Health returns the handler of /healthz, /readyz and /metrics. They show no event, so they need no token.
//
//   - /healthz answers 200 while the process runs.
//   - /readyz answers 200 when webhooks can be stored, else 503 with the reasons.
//   - /metrics answers in the text format of Prometheus.
func Health(o Options, m *Metrics) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{o, subjectsOf(o.Store)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { s.metrics(w, r, m) })
	return mux
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
	}
	err := s.condition.Ready(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = reply(w, answer{Reasons: []string{err.Error()}})
		return
	}
	_ = reply(w, answer{Ready: true, Reasons: []string{}})
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request, m *Metrics) {
	st, err := s.condition.Stats(r.Context())
	var plugins []api.Plugin
	if err == nil {
		plugins, err = s.plugins(r.Context())
	}
	var effects []api.EffectOrigin
	if err == nil {
		effects, err = s.effectOrigins(r.Context())
	}
	if err != nil {
		s.fail(w, r, inbox.Errorf(inbox.Unavailable, "measure", "%w", err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeGauges(w, s.Version, &st, plugins)
	writeEffectGauges(w, effects)
	m.write(w)
}
