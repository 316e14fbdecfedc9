package store

import (
	"context"
	"slices"
	"strings"

	"inbox/inbox"
)

// EachDelivery calls fn for the deliveries that a filter selects, in the order of the log or newest first. It returns Invalid for
// an unknown outcome, and without an outcome.
func (s *Store) EachDelivery(ctx context.Context, f inbox.DeliveryFilter, fn func(*inbox.DeliveryStatus) error) error {
	if err := checkOutcomes(f.Outcomes); err != nil {
		return err
	}
	q := deliveries{s: s, f: &f, waits: s.newWaitCounter(f.Manifest)}
	sel, err := q.candidateEvents(ctx)
	if err != nil || len(q.plugins) == 0 {
		return err
	}
	var failed error
	n := 0
	err = s.eachSelected(ctx, sel, func(e *inbox.Event) bool {
		for i := range q.plugins {
			d, err := q.delivery(ctx, &q.plugins[i], e)
			if err == nil && d != nil {
				n++
				err = fn(d)
			}
			if failed = err; err != nil || f.Limit > 0 && n == f.Limit {
				return false
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

func checkOutcomes(outcomes []string) error {
	if len(outcomes) == 0 {
		return inbox.Errorf(inbox.Invalid, "", "a list of deliveries needs an outcome").WithHint("such as " + inbox.OutcomeRetry)
	}
	for _, outcome := range outcomes {
		if !slices.Contains(inbox.Outcomes(), outcome) {
			return inbox.Errorf(inbox.Invalid, "", "%q is not an outcome", outcome).WithHint("they are " + strings.Join(inbox.Outcomes(), ", "))
		}
	}
	return nil
}

// deliveries is the state of one call of [Store.EachDelivery].
type deliveries struct {
	s       *Store
	f       *inbox.DeliveryFilter
	plugins []pluginRule
	held    map[string]bool
	waits   *waitCounter // for its manifests and lane rules
}

// selectsAny reports whether the filter names one of the outcomes.
func (q *deliveries) selectsAny(outcomes ...string) bool {
	return slices.ContainsFunc(outcomes, func(o string) bool { return slices.Contains(q.f.Outcomes, o) })
}

// candidateEvents returns the selection of events that may have a selected delivery.
func (q *deliveries) candidateEvents(ctx context.Context) (*selection, error) {
	events := q.f.Filter
	events.Plugin, events.Limit = "", 0
	sel, err := q.s.newSelection(ctx, &events)
	if err != nil {
		return nil, err
	}
	plugins, err := q.s.pluginRules(ctx)
	if err != nil {
		return nil, err
	}
	if q.f.Plugin != "" {
		if _, err := q.s.pluginID(ctx, q.f.Plugin); err != nil {
			return nil, err
		}
		plugins = slices.DeleteFunc(plugins, func(p pluginRule) bool { return p.name != q.f.Plugin })
	}
	q.plugins, q.held = plugins, map[string]bool{}
	var alternatives []string
	var args []any
	oldest := sel.high
	for i := range plugins {
		r, err := q.s.Record(ctx, plugins[i].name)
		if err != nil {
			return nil, err
		}
		q.held[r.Name] = r.Health.OnHold
		where, from, err := q.candidates(ctx, &plugins[i], r)
		if err != nil {
			return nil, err
		}
		oldest = min(oldest, from)
		alternatives = append(alternatives, where)
		args = append(args, plugins[i].id, listOf(q.f.Outcomes))
	}
	sel.low = max(sel.low, oldest)
	sel.and("("+strings.Join(append(alternatives, "0"), " OR ")+")", args...)
	return sel, nil
}

// candidates returns a condition that every event e with a selected delivery in a plugin meets, and the seq after which those
// events are. The arguments of the condition are the plugin and the outcomes.
func (q *deliveries) candidates(ctx context.Context, p *pluginRule, r *inbox.PluginRecord) (where string, after int64, err error) {
	sparse := []string{inbox.OutcomeRetry, inbox.OutcomeWaiting, inbox.OutcomePending, inbox.OutcomeHeld, inbox.OutcomeDead}
	conditions := []string{"EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = x.p AND a.seq = e.seq AND a.result IN (SELECT value FROM json_each(x.o)))"}
	if !slices.ContainsFunc(q.f.Outcomes, func(w string) bool { return !slices.Contains(sparse, w) }) {
		conditions = nil
		err = q.s.readers.QueryRowContext(ctx, `SELECT min(?2,
				coalesce((SELECT min(next) FROM lanes WHERE plugin = ?1 AND state = 'retry'), ?2), coalesce((SELECT min(next) FROM lanes WHERE plugin = ?1 AND state = 'parked'), ?2),
				coalesce((SELECT min(next) FROM lanes WHERE plugin = ?1 AND state = 'ready'), ?2), coalesce((SELECT min(seq) FROM runs WHERE plugin = ?1), ?2),
				coalesce((SELECT min(seq) FROM dead WHERE plugin = ?1 AND resolution = ''), ?2))`, p.id, r.Cursor+1).Scan(&after)
		if err != nil {
			return "", 0, readError(err)
		}
		after--
	}
	if q.selectsAny(inbox.OutcomeRetry, inbox.OutcomeHeld) {
		conditions = append(conditions, "EXISTS (SELECT 1 FROM lanes l INDEXED BY lanes_by_state WHERE l.plugin = x.p AND l.state = 'retry' AND l.next = e.seq)",
			"EXISTS (SELECT 1 FROM runs r WHERE r.plugin = x.p AND r.seq = e.seq)")
	}
	if q.selectsAny(inbox.OutcomeWaiting, inbox.OutcomePending, inbox.OutcomeHeld) { // the lane of the event is not considered here
		conditions = append(conditions, "NOT EXISTS (SELECT 1 FROM attempts a WHERE a.plugin = x.p AND a.seq = e.seq)",
			"EXISTS (SELECT 1 FROM runs r WHERE r.plugin = x.p AND r.seq = e.seq)",
			"EXISTS (SELECT 1 FROM lanes l INDEXED BY lanes_by_state WHERE l.plugin = x.p AND l.state = 'ready' AND l.next = e.seq)")
	}
	if q.selectsAny(inbox.OutcomeDead, inbox.OutcomeDiscarded) {
		conditions = append(conditions, "EXISTS (SELECT 1 FROM dead d WHERE d.plugin = x.p AND d.seq = e.seq)")
	}
	return "EXISTS (SELECT 1 FROM (SELECT ? AS p, ? AS o) x WHERE " + strings.Join(conditions, " OR ") + ")", after, nil
}

// delivery returns the delivery of an event in a plugin, nil when the filter does not select it.
func (q *deliveries) delivery(ctx context.Context, p *pluginRule, e *inbox.Event) (*inbox.DeliveryStatus, error) {
	d := inbox.DeliveryStatus{Event: *e, Plugin: p.name, Trace: inbox.DeliveryTrace{Plugin: p.name}}
	if err := q.s.traceDeliveries(ctx, p, []inbox.Event{*e}, []*inbox.DeliveryTrace{&d.Trace}); err != nil {
		return nil, err
	}
	err := q.s.readers.QueryRowContext(ctx, `SELECT coalesce((SELECT a.result FROM attempts a WHERE a.plugin = ?1 AND a.seq = ?2`+newestFirst+`), ''),
			(SELECT count(*) FROM attempts WHERE plugin = ?1 AND seq = ?2)`, p.id, e.Seq).Scan(&d.Result, &d.Attempts)
	if err != nil {
		return nil, readError(err)
	}
	d.State = d.Trace.State
	if idle := d.State == inbox.StateWaiting || d.State == inbox.StatePending; idle && d.Attempts == 0 {
		switch wanted, err := q.wants(ctx, p.name, e); {
		case err != nil:
			return nil, err
		case !wanted:
			return nil, nil
		}
	}
	if !q.selects(&d) {
		return nil, nil
	}
	return &d, nil
}

// wants reports whether a plugin wants an event. Without a manifest it wants every event.
func (q *deliveries) wants(ctx context.Context, plugin string, e *inbox.Event) (bool, error) {
	if err := q.waits.load(ctx, plugin); err != nil {
		return false, err
	}
	m := q.waits.manifests[plugin]
	if m == nil || !m.Wants(e) {
		return m == nil, nil
	}
	at, err := q.waits.scalars(ctx, e, q.waits.rules[plugin], m)
	return err == nil && m.Holds(at), err
}

// selects reports whether a delivery has one of the outcomes of the filter.
func (q *deliveries) selects(d *inbox.DeliveryStatus) bool {
	outcome := map[inbox.DeliveryState]string{
		inbox.StateRetrying: inbox.OutcomeRetry, inbox.StateWaiting: inbox.OutcomeWaiting, inbox.StatePending: inbox.OutcomePending,
		inbox.StateDead: inbox.OutcomeDead, inbox.StateDropped: inbox.OutcomeDiscarded,
	}[d.State]
	open := d.State == inbox.StateRetrying || d.State == inbox.StateWaiting || d.State == inbox.StatePending
	result := string(d.Result)
	return q.selectsAny(outcome) || open && q.held[d.Plugin] && q.selectsAny(inbox.OutcomeHeld) ||
		result != inbox.OutcomeRetry && q.selectsAny(result)
}
