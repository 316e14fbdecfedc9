// Package storetest is the suite of tests that every store must pass. It uses a store only through the interfaces of this file,
// one per subject. Each test gets a fresh store, which is checked when the test ends, see [Open]. Tests that depend on how a
// store keeps its data (crashes, damage, full disks, query plans) are beside that store.
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
	Fast   bool                   // commits need not be flushed: the test makes many small ones
}

// Open returns a fresh and running store for a test. When the test ends the store is checked: damage, or a broken invariant,
// fails the test.
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
	Traces
}

// Work has the subjects of delivery.
type Work interface {
	Settler
	Lanes
	Runs
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
	Steering
	Releases
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

// Settler commits settlements, and returns the position of a plugin.
type Settler interface {
	Register(ctx context.Context, plugin string, from inbox.StartFrom) error
	Term() inbox.Term // of the store's process
	Settle(ctx context.Context, st *inbox.Settlement, done func(error)) error
	Record(ctx context.Context, plugin string) (*inbox.PluginRecord, error)
	SettledAbove(ctx context.Context, plugin string, run, seq int64) ([]int64, error)
}

// Lanes returns the lanes that lag.
type Lanes interface {
	Lane(ctx context.Context, plugin string, id inbox.LaneID) (*inbox.Lane, error)
	EachLane(ctx context.Context, plugin string, fn func(inbox.LaneID, inbox.LaneState)) error
	LaneDigest(value string) string
}

// Runs returns the runs that have a row.
type Runs interface {
	Runs(ctx context.Context, plugin string, limit int) ([]inbox.Run, error)
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

// Steering holds the actions of operators on a plugin.
type Steering interface {
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

// Upkeep answers questions about the store as a whole.
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

// Run runs the suite against the stores that open returns, every test in a subtest of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, one := range slices.Concat(eventTests(), settlementTests(), fencingTests(), operatorTests()) {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			one.run(t, open)
		})
	}
}

// same fails the test if err is not nil, or if got differs from want. An empty and a nil slice are equal.
func same[T any](t testing.TB, what string, got T, err error, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%s: %v %s", what, err, diff)
	}
}

func eventTests() []test {
	return []test{
		{"an accepted event comes back byte for byte", anAcceptedEventComesBackByteForByte},
		{"the same body is stored once", theSameBodyIsStoredOnce},
		{"many at once are stored once each and in one order", manyAtOnceAreStoredOnceEachAndInOneOrder},
		{"late events and likely duplicates are marked", lateEventsAndLikelyDuplicatesAreMarked},
		{"an equal event is looked for among the newest 32 of a key", anEqualEventIsLookedForAmongTheNewest32OfAKey},
		{"events are read in the order of the log", eventsAreReadInTheOrderOfTheLog},
		{"an id of another store is not taken for one of this", anIDOfAnotherStoreIsNotTakenForOneOfThis},
		{"find selects by every filter", findSelectsByEveryFilter},
		{"entities are found by their newest event", entitiesAreFoundByTheirNewestEvent},
		{"a list over many pieces of the log misses and repeats nothing", aListOverManyPiecesOfTheLogMissesAndRepeatsNothing},
		{"the quarantine is bounded and keeps what a mistyped secret refused", theQuarantineIsBoundedAndKeepsWhatAMistypedSecretRefused},
		{"a refused request is kept once, counted and given back whole", aRefusedRequestIsKeptOnceCountedAndGivenBackWhole},
		{"the quarantine is bounded in bytes", theQuarantineIsBoundedInBytes},
	}
}

func settlementTests() []test {
	return []test{
		{"an attempt is kept with its reason and log", anAttemptIsKeptWithItsReasonAndLog},
		{"no measure of an attempt can keep it from being recorded", noMeasureOfAnAttemptCanKeepItFromBeingRecorded},
		{"of a run with many attempts the first and the last are kept", ofARunWithManyAttemptsTheFirstAndTheLastAreKept},
		{"the attempt that a run died of is kept", theAttemptThatARunDiedOfIsKept},
		{"a lane is put, moved, uncounted and removed", aLaneIsPutMovedUncountedAndRemoved},
		{"the cursor and the hold are put and the cursor never goes back", theCursorAndTheHoldArePutAndTheCursorNeverGoesBack},
		{"a dead letter is found and resolved", aDeadLetterIsFoundAndResolved},
		{"runs wait behind a lane and are freed with it", runsWaitBehindALaneAndAreFreedWithIt},
		{"what is not stored cannot be settled", whatIsNotStoredCannotBeSettled},
		{"a plugin that is not known is refused by name", aPluginThatIsNotKnownIsRefusedByName},
		{"a plugin begins where its first registration says", aPluginBeginsWhereItsFirstRegistrationSays},
		{"whatever happens the store says what a model says", whateverHappensTheStoreSaysWhatAModelSays},
	}
}

func operatorTests() []test {
	return []test{
		{"a retried head lets its lane go on in order", aRetriedHeadLetsItsLaneGoOnInOrder},
		{"a discarded head is stepped over", aDiscardedHeadIsSteppedOver},
		{"a retried delivery whose lane went on is due at once", aRetriedDeliveryWhoseLaneWentOnIsDueAtOnce},
		{"dead letters are chosen by their events and count what waits", deadLettersAreChosenByTheirEventsAndCountTheWaitingOnes},
		{"what waits behind a dead letter is counted whatever makes the lane", eventsBehindADeadLetterAreCountedUnderEveryLaneRule},
		{"a lane made by anything is found in a trace", aLaneMadeByAnythingIsFoundInATrace},
		{"a trace never shows an event between two moments", aTraceNeverShowsAnEventBetweenTwoMoments},
		{"deliveries are listed by what their trace says", deliveriesAreListedByWhatTheirTraceSays},
		{"deliveries are limited, and an unknown outcome is invalid", deliveriesAreLimitedAndAnUnknownOutcomeIsInvalid},
		{"missing things are not found", missingThingsAreNotFound},
		{"a plugin is steered and its releases are kept", aPluginIsSteeredAndItsReleasesAreKept},
		{"the store says how large it is", theStoreSaysHowLargeItIs},
		{"a replay that makes no sense is refused and not stored", aReplayThatMakesNoSenseIsRefusedAndNotStored},
		{"a replay is bound by what there was and its limit", aReplayIsBoundByWhatThereWasAndItsLimit},
		{"a cancelled replay drops what waits and keeps what ran", aCancelledReplayDropsWhatWaitsAndKeepsWhatRan},
		{"only failed looks at the newest attempt and not at the newest replay", onlyFailedLooksAtTheNewestAttemptAndNotAtTheNewestReplay},
		{"a replay of many is counted and matched piece by piece", aReplayOfManyIsCountedAndMatchedPieceByPiece},
	}
}
