package operator

import (
	"context"
	"time"

	"inbox/inbox"
)

// Events reads what was received. Subscribe returns a channel that gets a value when an event is stored, and a function that
// ends the subscription.
type Events interface {
	Event(ctx context.Context, seq int64) (*inbox.Event, error)
	EventByID(ctx context.Context, id string) (*inbox.Event, error)
	Find(ctx context.Context, f inbox.Filter) ([]inbox.Event, error)
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
	Subscribe() (<-chan struct{}, func())
}

// Deliveries reads how far events are in plugins.
type Deliveries interface {
	Trace(ctx context.Context, seq int64) (*inbox.EventTrace, error)
	EachDelivery(ctx context.Context, f inbox.DeliveryFilter, fn func(*inbox.DeliveryStatus) error) error
	ManyAttempts(ctx context.Context, attempts, limit int) ([]inbox.ManyAttempts, error)
	Journal(ctx context.Context, plugin string, seq, run int64, attempt int) ([]inbox.Fetched, error)
}

// Entities reads verifications and customers, and ties the one to the other.
type Entities interface {
	LinkEntity(ctx context.Context, who inbox.Actor, r *inbox.LinkRequest) (*inbox.EntityLink, error)
	Entities(ctx context.Context, f inbox.EntityFilter) ([]inbox.Entity, error)
	EntityTrace(ctx context.Context, mode inbox.Mode, key string) ([]inbox.EventTrace, error)
}

// States reads the state documents of plugins, and deletes one.
type States interface {
	ResetState(ctx context.Context, who inbox.Actor, id inbox.StateID) error
	StateAt(ctx context.Context, id inbox.StateID, at inbox.StateMoment) (*inbox.StateEntry, error)
	EachStateChange(ctx context.Context, id inbox.StateID, f inbox.StateHistory, fn func(*inbox.StateEntry) error) error
	EachState(ctx context.Context, f inbox.StateFilter, fn func(*inbox.StateEntry) error) error
}

// DeadLetters reads, retries and discards dead letters.
type DeadLetters interface {
	EachDeadLetter(ctx context.Context, f inbox.DeadLetterFilter, fn func(*inbox.DeadLetterDetail) error) error
	OpenDeadLetters(ctx context.Context, f inbox.DeadLetterFilter, fn func([]inbox.DeadLetterDetail) error) error
	DeadLettersOf(ctx context.Context, refs []inbox.DeadLetter) ([]inbox.DeadLetterDetail, error)
	NewestDeath(ctx context.Context) (time.Time, error)
	ResolveDead(ctx context.Context, who inbox.Actor, how inbox.Resolution, refs []inbox.DeadLetter) ([]error, error)
}

// Effects reads the requests that plugins asked for.
type Effects interface {
	EachEffect(ctx context.Context, f inbox.EffectFilter, fn func(*inbox.EffectDetail) error) error
	EffectCounts(ctx context.Context) ([]inbox.EffectCounts, error)
	NewestEffect(ctx context.Context) (int64, error)
	ResolveEffects(ctx context.Context, who inbox.Actor, how inbox.Resolution, ids []int64) ([]error, error)
	EffectDetails
}

// EffectDetails reads one effect.
type EffectDetails interface {
	Effect(ctx context.Context, id int64) (*inbox.EffectDetail, error)
	EffectRequest(ctx context.Context, id int64) (*inbox.EffectRequest, error)
	EffectTries(ctx context.Context, id int64) ([]inbox.Try, error)
}

// Replays reads replays.
type Replays interface {
	Replays(ctx context.Context, plugin string) ([]inbox.Replay, error)
	Replay(ctx context.Context, id int64) (*inbox.Replay, error)
	RunningReplays(ctx context.Context) ([]inbox.Replay, error)
}

// ReplayPlans predicts, creates and cancels replays.
type ReplayPlans interface {
	CountReplay(ctx context.Context, f inbox.Filter, only inbox.Only, plugins []string) (matched int64, first, last *inbox.Event, err error)
	Forecast(ctx context.Context, job *inbox.Replay, plugin string, m *inbox.Manifest) (c inbox.ReplayCount, known bool, err error)
	CreateReplay(ctx context.Context, who inbox.Actor, j *inbox.Replay) error
	CancelReplay(ctx context.Context, who inbox.Actor, id int64) error
}

// Plugins reads the records of plugins and their releases, and deletes those of one plugin.
type Plugins interface {
	Plugins(ctx context.Context) ([]inbox.PluginRecord, error)
	Releases(ctx context.Context, plugin string) ([]inbox.Release, error)
	CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error)
	RemovePlugin(ctx context.Context, who inbox.Actor, plugin string) (releases []string, err error)
}

// PluginSwitches changes whether a plugin runs, and which of its releases.
type PluginSwitches interface {
	SetPaused(ctx context.Context, who inbox.Actor, plugin string, paused bool) error
	ResumeHold(ctx context.Context, who inbox.Actor, plugin string) error
	EnableRelease(ctx context.Context, who inbox.Actor, plugin string) error
	SetPin(ctx context.Context, who inbox.Actor, plugin, release, off string) error
	Unpin(ctx context.Context, plugin string) error
}

// Quarantine reads, readmits and deletes refused requests that are kept.
type Quarantine interface {
	RefusedList(ctx context.Context, source string, limit int) ([]inbox.Refused, error)
	RefusedRequest(ctx context.Context, id int64) (*inbox.Refused, error)
	EachRefused(ctx context.Context, source string, fn func(*inbox.Refused) error) error
	Readmit(ctx context.Context, id int64, a *inbox.Arrival) (inbox.Receipt, error)
	DiscardRefused(ctx context.Context, source string, why []string) (deleted int64, err error)
}

// Audit records operators' actions and reads them.
type Audit interface {
	Audit(ctx context.Context, who inbox.Actor, action, target string) error
	AuditLog(ctx context.Context, f inbox.AuditFilter) ([]inbox.AuditEntry, error)
}

// TokenStore makes, lists and revokes the tokens of the API.
type TokenStore interface {
	NewToken(ctx context.Context, who inbox.Actor, token *inbox.Token, hash inbox.TokenHash) error
	Tokens(ctx context.Context) ([]inbox.Token, error)
	RevokeToken(ctx context.Context, who inbox.Actor, name string) error
}

// Condition measures the store. Ready returns nil when events can be stored. Low reports whether disk space is low.
type Condition interface {
	Stats(ctx context.Context) (inbox.StoreStats, error)
	Refusals(ctx context.Context, since time.Time) ([]inbox.Refusal, error)
	Ready(ctx context.Context) error
	Low() bool
}

// Upkeep checks the store for damage and copies it.
type Upkeep interface {
	Check(ctx context.Context, progress func(done, total int64)) ([]string, error)
	Backup(ctx context.Context, who inbox.Actor, path string) error
}

// Store is a store of every subject, so that a caller passes one value to [New]. Handlers do not use it: they reach one subject
// each.
type Store interface {
	Received
	Work
	Steering
	Keeping
}

// Received has the subjects of the log: events and what was made of them.
type Received interface {
	Events
	Deliveries
	Entities
	States
	Quarantine
}

// Work has the subjects that an operator retries and replays.
type Work interface {
	DeadLetters
	Effects
	Replays
	ReplayPlans
}

// Steering has the subjects of plugins.
type Steering interface {
	Plugins
	PluginSwitches
}

// Keeping has the subjects of the store itself.
type Keeping interface {
	Audit
	TokenStore
	Condition
	Upkeep
}

// subjects is a store, divided by subject. It has a field for each, also when there are more than 12.
type subjects struct {
	events     Events
	deliveries Deliveries
	entities   Entities
	states     States
	dead       DeadLetters
	effects    Effects
	replays    Replays
	plans      ReplayPlans
	records    Plugins
	switches   PluginSwitches
	quarantine Quarantine
	audits     Audit
	tokens     TokenStore
	condition  Condition
	upkeep     Upkeep
}

func subjectsOf(s Store) subjects {
	return subjects{
		events: s, deliveries: s, entities: s, states: s, dead: s, effects: s, replays: s, plans: s, records: s, switches: s, quarantine: s, audits: s, tokens: s,
		condition: s, upkeep: s,
	}
}
