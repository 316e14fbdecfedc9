package inbox

import (
	"strings"
	"time"
)

// Filter selects stored events; it is the same for every list and for replay. Empty fields select everything;
// several fields must all hold; several values of one field are alternatives.
type Filter struct {
	Seqs              []int64     `json:"seqs,omitempty"`        // by id
	Events            []string    `json:"events,omitempty"`      // QoreID event; "*" at the end matches any rest
	EventTypes        []string    `json:"event_types,omitempty"` // QoreID event_type
	Sources           []string    `json:"sources,omitempty"`
	Mode              Mode        `json:"mode,omitempty"`
	Key               string      `json:"key,omitempty"`
	CustomerReference string      `json:"customer_reference,omitempty"`
	Statuses          []string    `json:"statuses,omitempty"` // the verdict, or the payload's own status, folded
	Plugin            string      `json:"plugin,omitempty"`   // events this plugin has attempted
	Since             time.Time   `json:"since,omitzero"`     // stored at or after
	Until             time.Time   `json:"until,omitzero"`     // stored before
	Where             []Condition `json:"where,omitempty"`
	Limit             int         `json:"limit,omitempty"`  // 0: no limit
	After             int64       `json:"after,omitempty"`  // seqs above it only: where a page continues
	Before            int64       `json:"before,omitempty"` // seqs below it only: where a page continues, newest first; 0: no bound
	Newest            bool        `json:"newest,omitempty"`
}

// Narrow reports whether f selects less than everything.
func (f Filter) Narrow() bool {
	values := len(f.Seqs) + len(f.Events) + len(f.EventTypes) + len(f.Sources) + len(f.Statuses) + len(f.Where)
	text := string(f.Mode) + f.Key + f.CustomerReference + f.Plugin
	return values > 0 || text != "" || !f.Since.IsZero() || !f.Until.IsZero() || f.Limit > 0
}

// Fold lowers s and turns spaces and dashes into single underscores: QoreID writes one status in several ways.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	gap := false
	for _, r := range strings.ToLower(strings.TrimSpace(s)) {
		if r == ' ' || r == '-' || r == '_' {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('_')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

// EntityFilter selects verifications and customers with at least one event that Filter selects. Limit counts entities. After and
// Before bound the newest event of an entity.
type EntityFilter struct {
	Filter
	Open      bool          // started, and not completed
	OlderThan time.Duration // the least age of the newest event
}

// DeadLetterFilter selects dead letters by their events. Its Plugin is the plugin of the dead letters.
type DeadLetterFilter struct {
	Filter
	Resolved   bool      // also resolved dead letters
	Run        int64     // dead letters of this replay only; 0: of every run
	DiedBefore time.Time // zero: no bound

	// Manifest returns the manifest in force for a plugin: an event that it filters out does not wait behind a parked lane. Without
	// Manifest every later event of the lane counts as waiting.
	Manifest func(plugin string) (*Manifest, error)
}

// EffectFilter selects effects, by themselves and by their events. Its Plugin is the plugin of the effects.
type EffectFilter struct {
	Filter
	IDs    []int64       // of effects; empty: all
	States []EffectState // empty: all
	Origin string        // empty: all
	Upto   int64         // highest id; 0: no bound
}
