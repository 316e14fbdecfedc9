package operator

import (
	"fmt"
	"inbox/inbox/api"
	"io"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"inbox/inbox"
)

// Metrics counts webhooks and attempts. Its labels are names that the operator chose (source, secret, plugin), codes and
// outcomes: never a key, an id or a part of a payload. It is safe for concurrent use.
type Metrics struct{ set *metrics.Set }

// NewMetrics returns Metrics with no counts.
func NewMetrics() *Metrics { return &Metrics{set: metrics.NewSet()} }

// Webhook is one answered webhook request.
type Webhook struct {
	Source   string // empty when no source has the path
	Code     int
	Status   string // stored, duplicate, probe, or the reason of the refusal
	Secret   string // name of the secret that matched
	Size     int
	Duration time.Duration
	Lost     bool // refused with a well-formed signature, and not kept
}

// CountWebhook counts a webhook request.
func (m *Metrics) CountWebhook(w Webhook) {
	m.count("inbox_webhook_answers_total", "code", strconv.Itoa(w.Code))
	if w.Lost {
		m.count("inbox_lost_webhooks_total", "source", w.Source, "reason", w.Status)
	}
	if w.Source == "" {
		return
	}
	m.set.GetOrCreatePrometheusHistogramExt(name("inbox_webhook_seconds", "source", w.Source), buckets()).Update(w.Duration.Seconds())
	switch w.Status {
	case string(inbox.Stored):
		m.count("inbox_events_received_total", "source", w.Source)
		m.set.GetOrCreateCounter(name("inbox_events_received_bytes_total", "source", w.Source)).Add(w.Size)
	case string(inbox.Duplicate):
		m.count("inbox_duplicates_total", "source", w.Source)
	case "probe":
		m.count("inbox_probes_total", "source", w.Source)
	default:
		m.count("inbox_refused_total", "source", w.Source, "reason", w.Status)
	}
	if w.Secret != "" {
		m.count("inbox_secret_matches_total", "source", w.Source, "secret", w.Secret)
	}
}

// CountAttempt counts one attempt of a plugin.
func (m *Metrics) CountAttempt(a *inbox.Attempt) {
	m.count("inbox_attempts_total", "plugin", a.Plugin, "outcome", string(a.Result))
	m.set.GetOrCreatePrometheusHistogramExt(name("inbox_dispatch_seconds", "plugin", a.Plugin), buckets()).Update(a.Duration.Seconds())
}

// CountTry counts one try to send an effect.
func (m *Metrics) CountTry(e *inbox.Effect, s *inbox.Sent) {
	m.count("inbox_effect_tries_total", "plugin", e.Lane.Plugin, "origin", e.Lane.Origin, "outcome", string(s.Result()))
	m.set.GetOrCreatePrometheusHistogramExt(name("inbox_effect_seconds", "plugin", e.Lane.Plugin, "origin", e.Lane.Origin), buckets()).Update(s.Duration.Seconds())
}

// writeEffectGauges writes the present numbers of effects.
func writeEffectGauges(w io.Writer, origins []api.EffectOrigin) {
	for _, one := range []struct {
		metric string
		value  func(o *api.EffectOrigin) float64
	}{
		{"inbox_effects_waiting", func(o *api.EffectOrigin) float64 { return float64(o.Waiting) }},
		{"inbox_effects_held", func(o *api.EffectOrigin) float64 { return float64(o.Held) }},
		{"inbox_effects_dead", func(o *api.EffectOrigin) float64 { return float64(o.Dead) }},
		{"inbox_origin_on_hold", func(o *api.EffectOrigin) float64 { return gaugeOf(o.OnHold) }},
	} {
		for i := range origins {
			o := &origins[i]
			fmt.Fprintf(w, "%s %s\n", name(one.metric, "plugin", o.Plugin, "origin", o.Origin), strconv.FormatFloat(one.value(o), 'g', -1, 64))
		}
	}
}

func (m *Metrics) count(metric string, labels ...string) {
	m.set.GetOrCreateCounter(name(metric, labels...)).Inc()
}

// buckets run from a tenth of a millisecond to ten seconds.
func buckets() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// name returns a metric with its labels: pairs of a label and its value.
func name(metric string, labels ...string) string {
	text := metric
	for i := 0; i+1 < len(labels); i += 2 {
		open := ","
		if i == 0 {
			open = "{"
		}
		text += open + labels[i] + "=" + strconv.Quote(labels[i+1])
	}
	if len(labels) > 0 {
		text += "}"
	}
	return text
}

// write writes the counts in the text format of Prometheus.
func (m *Metrics) write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// writeGauges writes the present state of the store and the plugins.
func writeGauges(w io.Writer, version string, st *inbox.StoreStats, plugins []api.Plugin) {
	gauge := func(v float64, metric string, labels ...string) {
		fmt.Fprintf(w, "%s %s\n", name(metric, labels...), strconv.FormatFloat(v, 'g', -1, 64))
	}
	gauge(1, "inbox_build_info", "version", version)
	gauge(float64(st.Events), "inbox_events")
	gauge(float64(st.Copies), "inbox_copies")
	gauge(float64(st.FileBytes), "inbox_store_bytes")
	gauge(float64(st.WALBytes), "inbox_wal_bytes")
	gauge(float64(st.FreeBytes), "inbox_disk_free_bytes")
	gauge(float64(st.Quarantine.Count), "inbox_quarantine_requests")
	gauge(float64(st.Quarantine.Bytes), "inbox_quarantine_bytes")
	gauge(float64(st.Quarantine.CouldPass), "inbox_quarantine_could_pass")
	gauge(float64(st.Quarantine.Dropped), "inbox_quarantine_dropped")
	gauge(float64(st.Quarantine.DroppedCouldPass), "inbox_quarantine_dropped_could_pass")
	plugins, refused, stray := labelled(plugins)
	writeFileGauges(w, refused, stray)
	perPlugin := []struct {
		metric string
		value  func(p *api.Plugin) float64
	}{
		{"inbox_lag_seconds", func(p *api.Plugin) float64 { return p.LagSeconds }},
		{"inbox_queue_depth", func(p *api.Plugin) float64 { return float64(p.Behind) }},
		{"inbox_dead_letters", func(p *api.Plugin) float64 { return float64(p.Dead) }},
		{"inbox_parked_lanes", func(p *api.Plugin) float64 { return float64(p.Parked) }},
		{"inbox_retrying_lanes", func(p *api.Plugin) float64 { return float64(p.Retrying) }},
		{"inbox_running_attempts", func(p *api.Plugin) float64 { return float64(p.Running) }},
		{"inbox_on_hold", func(p *api.Plugin) float64 { return gaugeOf(p.OnHold) }},
		{"inbox_paused", func(p *api.Plugin) float64 { return gaugeOf(p.Paused) }},
		{"inbox_disabled_releases", func(p *api.Plugin) float64 { return gaugeOf(p.Disabled != "") }},
		{"inbox_crash_loops", func(p *api.Plugin) float64 { return gaugeOf(p.State == inbox.FileCrashLoop) }},
		{"inbox_filtered_events", func(p *api.Plugin) float64 { return float64(p.Filtered) }},
		{"inbox_file_refused", func(p *api.Plugin) float64 { return gaugeOf(p.State == inbox.FileRefused) }},
	}
	for _, one := range perPlugin {
		for i := range plugins {
			gauge(one.value(&plugins[i]), one.metric, "plugin", plugins[i].Name)
		}
	}
	for i := range plugins {
		gauge(1, "inbox_plugin_build_info", "plugin", plugins[i].Name, "release", plugins[i].Live)
	}
}

func gaugeOf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
