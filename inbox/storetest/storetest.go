// Package storetest is the suite of tests that every store must pass. It uses a store only through the interfaces of this file,
// one per subject. Each test gets a new store, which is checked when the test ends, see [Open]. Tests that depend on the storage
// of the data (crashes, damage, full disks, query plans) are beside their store.
package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inbox/inbox"
)

// Options configure the store of a test. The zero value means the defaults.
type Options struct {
	Now    func() time.Time       // the store's clock; nil: the real one
	Bounds inbox.QuarantineBounds // of the quarantine; zero: the default
	Fast   bool                   // commits need not be flushed, because the test makes many small ones
	Dir    string                 // stores with the same directory share their data, and each begins a new term; empty: data of its own
}

// Open returns a new, running store for a test. When the test ends, the store is checked: damage, or a violated invariant, fails
// the test.
type Open func(t testing.TB, o Options) Store

// Store is the store under test.
type Store interface {
	Received
	Work
	Reprocessing
	Operation
}

// Received has the subjects of the log.
type Received interface {
	Log
	Events
	Entities
	EntityLinks
	Traces
}

// Work has the subjects of delivery.
type Work interface {
	Settler
	Keeping
	Lanes
	Runs
	States
	Rebuilds
	Sending
	Effects
	Journals
}

// Reprocessing has the subjects of retries and replays.
type Reprocessing interface {
	DeadLetters
	Replays
	Matches
}

// Operation has the subjects of an operator.
type Operation interface {
	Quarantine
	Plugins
	PluginActions
	Releases
	CrashRecords
	CrashLoops
	Tokens
	Upkeep
}

// Log stores events and returns them in order.
type Log interface {
	Accept(ctx context.Context, a *inbox.Arrival) (inbox.Receipt, error)
	EventsAfter(ctx context.Context, after int64, limit int) ([]inbox.Event, error)
	LaneEvents(ctx context.Context, mode inbox.Mode, key string, from, upto int64, limit int) ([]inbox.Event, error)
	ReferenceEvents(ctx context.Context, mode inbox.Mode, ref string, from, upto int64, limit int) ([]inbox.Event, error)
}

// Events finds events and their payloads.
type Events interface {
	Event(ctx context.Context, seq int64) (*inbox.Event, error)
	EventByID(ctx context.Context, id string) (*inbox.Event, error)
	Find(ctx context.Context, f inbox.Filter) ([]inbox.Event, error)
	Payload(ctx context.Context, seq int64) (inbox.Payload, error)
}

// Entities lists verifications and customers.
type Entities interface {
	Entities(ctx context.Context, f inbox.EntityFilter) ([]inbox.Entity, error)
	EntityTrace(ctx context.Context, mode inbox.Mode, key string) ([]inbox.EventTrace, error)
}

// Traces returns the states of deliveries.
type Traces interface {
	Trace(ctx context.Context, seq int64) (*inbox.EventTrace, error)
	EachDelivery(ctx context.Context, f inbox.DeliveryFilter, fn func(*inbox.DeliveryStatus) error) error
	ManyAttempts(ctx context.Context, attempts, limit int) ([]inbox.ManyAttempts, error)
}

// Settler commits settlements and returns the position of a plugin.
type Settler interface {
	Register(ctx context.Context, plugin string, from inbox.StartFrom) error
	Term() inbox.Term // of the process that opened the store
	Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error
	Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error)
	SettledAbove(ctx context.Context, plugin string, run, seq int64) ([]int64, error)
}

// Lanes returns the lanes that have a row.
type Lanes interface {
	Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error)
	EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error
	LaneDigest(value string) string
}

// Runs returns the runs that have a row.
type Runs interface {
	Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error)
}

// Sending has the effects that are to be sent.
type Sending interface {
	EffectOrigins(ctx context.Context, term inbox.Term) ([]inbox.EffectOrigin, error)
	DueEffects(ctx context.Context, plugin, origin string, limit int) ([]inbox.Effect, error)
	EffectRequest(ctx context.Context, id int64) (*inbox.EffectRequest, error)
	EffectRequests(ctx context.Context, ids []int64) (map[int64]*inbox.EffectRequest, error)
	SettleSend(ctx context.Context, st *inbox.SendSettlement, done func(error)) error
}

// Effects lists effects and resolves dead ones.
type Effects interface {
	EachEffect(ctx context.Context, f inbox.EffectFilter, fn func(*inbox.EffectDetail) error) error
	EffectTries(ctx context.Context, id int64) ([]inbox.Try, error)
	EffectCounts(ctx context.Context) ([]inbox.EffectCounts, error)
	ResolveEffects(ctx context.Context, who inbox.Actor, how inbox.Resolution, ids []int64) ([]error, error)
}

// Journals returns what attempts fetched.
type Journals interface {
	Journal(ctx context.Context, plugin string, seq, run int64, attempt int) ([]inbox.Fetched, error)
	ReplayJournal(ctx context.Context, plugin string, seq, replay int64) (*inbox.Journal, error)
}

// DeadLetters lists dead letters and resolves them.
type DeadLetters interface {
	DeadLetter(ctx context.Context, plugin string, seq int64) (*inbox.DeadLetter, error)
	DeadLetters(ctx context.Context, f inbox.DeadLetterFilter) ([]inbox.DeadLetterDetail, error)
	Retry(ctx context.Context, who inbox.Actor, plugin string, seq, run int64) error
	Discard(ctx context.Context, who inbox.Actor, plugin string, seq, run int64) error
}

// Replays stores replays.
type Replays interface {
	CreateReplay(ctx context.Context, who inbox.Actor, j *inbox.Replay) error
	CancelReplay(ctx context.Context, who inbox.Actor, id int64) error
	Replay(ctx context.Context, id int64) (*inbox.Replay, error)
	Replays(ctx context.Context, plugin string) ([]inbox.Replay, error)
}

// Matches selects the events of replays.
type Matches interface {
	CountReplay(ctx context.Context, f inbox.Filter, only inbox.Only, plugins []string) (matched int64, first, last *inbox.Event, err error)
	Match(ctx context.Context, job *inbox.Replay, plugin string, after int64, limit int) (events []inbox.Event, upto int64, err error)
}

// Quarantine stores refused requests.
type Quarantine interface {
	Refuse(ctx context.Context, r *inbox.Refused) error
	RefusedList(ctx context.Context, source string, limit int) ([]inbox.Refused, error)
	EachRefused(ctx context.Context, source string, fn func(*inbox.Refused) error) error
	Readmit(ctx context.Context, id int64, a *inbox.Arrival) (inbox.Receipt, error)
}

// Plugins lists plugins.
type Plugins interface {
	Plugins(ctx context.Context) ([]inbox.PluginRecord, error)
}

// PluginActions changes the state of a plugin for an operator.
type PluginActions interface {
	SetPaused(ctx context.Context, who inbox.Actor, plugin string, paused bool) error
	ResumeHold(ctx context.Context, who inbox.Actor, plugin string) error
	SetPin(ctx context.Context, who inbox.Actor, plugin, release, off string) error
	Unpin(ctx context.Context, plugin string) error
}

// Releases stores the releases of plugins.
type Releases interface {
	SaveRelease(ctx context.Context, r inbox.Release) error
	Releases(ctx context.Context, plugin string) ([]inbox.Release, error)
	SetLive(ctx context.Context, plugin, release string) error
}

// CrashRecords stores and deletes the crash records of the store's process.
type CrashRecords interface {
	RecordStart(ctx context.Context, plugin, release string) error
	ClearCrashes(ctx context.Context, plugin, release string) error
	EndCleanly(ctx context.Context) error
}

// CrashLoops counts and returns the crash records of all processes, and enables disabled releases.
type CrashLoops interface {
	CountCrashes(ctx context.Context) ([]inbox.CrashRecord, error)
	CrashRecords(ctx context.Context) ([]inbox.CrashRecord, error)
	EnableRelease(ctx context.Context, who inbox.Actor, plugin string) error
}

// Upkeep returns the audit log, the size and the damage of a store.
type Upkeep interface {
	AuditLog(ctx context.Context, f inbox.AuditFilter) ([]inbox.AuditEntry, error)
	Stats(ctx context.Context) (inbox.StoreStats, error)
	Check(ctx context.Context, progress func(done, total int64)) ([]string, error)
}

// test is one test of the suite.
type test struct {
	name string
	run  func(t *testing.T, open Open)
}

// Run runs the suite against the stores that open returns. Each test is a subtest.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, test := range slices.Concat(eventTests(), settlementTests(), emissionTests(), fencingTests(), effectTests(), answerTests(), heldTests(), fetchTests(), keepingTests(), operatorTests(), stateTests(), rebuildTests(), tokenTests(), linkTests()) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

// same fails the test if err is not nil, or if got differs from want. An empty and a nil slice are equal.
func same[T any](t testing.TB, name string, got T, err error, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%s: %v %s", name, err, diff)
	}
}

func eventTests() []test {
	return []test{
		{"an accepted event is returned byte for byte", anAcceptedEventIsReturnedByteForByte},
		{"the same body is stored once", theSameBodyIsStoredOnce},
		{"concurrent events are stored once, in one order", concurrentEventsAreStoredOnceInOneOrder},
		{"late events and likely duplicates are marked", lateEventsAndLikelyDuplicatesAreMarked},
		{"a likely duplicate is searched among the newest 32 events of a key", aLikelyDuplicateIsSearchedAmongTheNewest32EventsOfAKey},
		{"events are read in the order of the log", eventsAreReadInTheOrderOfTheLog},
		{"an id of another store is not found", anIDOfAnotherStoreIsNotFound},
		{"find selects by every filter", findSelectsByEveryFilter},
		{"entities are found by their newest event", entitiesAreFoundByTheirNewestEvent},
		{"a list over several chunks of the log has every event once", aListOverSeveralChunksOfTheLogHasEveryEventOnce},
		{"the quarantine is bounded and keeps requests that another secret may admit", theQuarantineIsBoundedAndKeepsRequestsThatAnotherSecretMayAdmit},
		{"equal refused requests are stored once, with a count", equalRefusedRequestsAreStoredOnceWithACount},
		{"the quarantine is bounded in bytes", theQuarantineIsBoundedInBytes},
	}
}

func settlementTests() []test {
	return []test{
		{"an attempt is stored with its reason and log", anAttemptIsStoredWithItsReasonAndLog},
		{"an attempt with extreme values is recorded", anAttemptWithExtremeValuesIsRecorded},
		{"a run with many attempts keeps the first and the last", aRunWithManyAttemptsKeepsTheFirstAndTheLast},
		{"the attempt of a dead letter is kept", theAttemptOfADeadLetterIsKept},
		{"a lane is stored, moved, uncounted and deleted", aLaneIsStoredMovedUncountedAndDeleted},
		{"the cursor and the hold are stored, and the cursor never decreases", theCursorAndTheHoldAreStoredAndTheCursorNeverDecreases},
		{"a dead letter is found and resolved", aDeadLetterIsFoundAndResolved},
		{"runs wait behind a lane until it is deleted", runsWaitBehindALaneUntilItIsDeleted},
		{"a settlement beyond the log fails", aSettlementBeyondTheLogFails},
		{"an unknown plugin is not found", anUnknownPluginIsNotFound},
		{"the first registration of a plugin sets its start", theFirstRegistrationOfAPluginSetsItsStart},
		{"random operations match a model", randomOperationsMatchAModel},
	}
}

func operatorTests() []test {
	return []test{
		{"a retry continues a parked lane in order", aRetryContinuesAParkedLaneInOrder},
		{"a lane continues after its discarded event", aLaneContinuesAfterItsDiscardedEvent},
		{"a retried delivery that parks no lane is due at once", aRetriedDeliveryThatParksNoLaneIsDueAtOnce},
		{"dead letters are filtered by their events and count the waiting events", deadLettersAreFilteredByTheirEventsAndCountTheWaitingEvents},
		{"events behind a dead letter are counted under every lane rule", eventsBehindADeadLetterAreCountedUnderEveryLaneRule},
		{"a trace finds the lane under every lane rule", aTraceFindsTheLaneUnderEveryLaneRule},
		{"a trace is consistent while events are settled", aTraceIsConsistentWhileEventsAreSettled},
		{"deliveries are listed by the outcomes in their traces", deliveriesAreListedByTheOutcomesInTheirTraces},
		{"deliveries are limited, and an unknown outcome is invalid", deliveriesAreLimitedAndAnUnknownOutcomeIsInvalid},
		{"missing records are not found", missingRecordsAreNotFound},
		{"the state of a plugin and its releases are stored", theStateOfAPluginAndItsReleasesAreStored},
		{"stats return the size of the store", statsReturnTheSizeOfTheStore},
		{"an invalid replay is rejected and not stored", anInvalidReplayIsRejectedAndNotStored},
		{"a replay is bounded by its limit and by the log at its creation", aReplayIsBoundedByItsLimitAndByTheLogAtItsCreation},
		{"a cancelled replay drops waiting runs and keeps attempts", aCancelledReplayDropsWaitingRunsAndKeepsAttempts},
		{"only failed selects by the newest attempt, not by the newest replay", onlyFailedSelectsByTheNewestAttemptNotByTheNewestReplay},
		{"a replay of many events is counted and matched in chunks", aReplayOfManyEventsIsCountedAndMatchedInChunks},
	}
}
