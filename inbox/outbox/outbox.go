// Package outbox sends the HTTP requests that plugins asked for. It stands at the end of the line: a request is stored in the commit
// of the attempt that asked, and sent after that commit.
//
// It promises:
//   - The requests of a lane (plugin, mode, key, origin) are sent one at a time, in the order in which they were asked for.
//   - A request is sent at least once, and after a crash again, with the same body and the same Idempotency-Key. It is not sent again
//     once its response is durable.
//   - An origin that hangs or fails delays only its own requests. One that fails for several keys is on hold, as one plugin meets
//     it: only probes are sent.
//   - Run returns when every try has ended and is settled. A try that the stop interrupts is not recorded.
//
// It leaves to others: what becomes of an effect after a try ([inbox.NextSend]), whether an origin is on hold ([inbox.Hold]),
// addresses, TLS and secrets (package egress), and what is stored (package store).
package outbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"inbox/inbox"
)

// Store keeps the effects.
type Store interface {
	Queue
	Requests
	Watch
}

// Queue returns the effects that are due, and settles tries.
type Queue interface {
	// EffectOrigins returns the origins of all plugins' effects. It returns inbox.ErrFenced when a newer term has begun.
	EffectOrigins(ctx context.Context, term inbox.Term) ([]inbox.EffectOrigin, error)
	// DueEffects returns the first effect of each lane to an origin, up to limit of them, those that are due earliest first.
	DueEffects(ctx context.Context, plugin, origin string, limit int) ([]inbox.Effect, error)
	// SettleSend queues a settlement, and calls done, which does not block, when it is durable or has failed.
	SettleSend(ctx context.Context, st *inbox.SendSettlement, done func(error)) error
}

// Requests returns what is sent for effects.
type Requests interface {
	// EffectRequest returns the request of an effect: NotFound when it is gone, an error that wraps inbox.ErrDamaged when it is damaged.
	EffectRequest(ctx context.Context, id int64) (*inbox.EffectRequest, error)
	// EffectRequests returns many requests at once. It may leave out some, which EffectRequest returns.
	EffectRequests(ctx context.Context, ids []int64) (map[int64]*inbox.EffectRequest, error)
}

// Watch tells that effects became due.
type Watch interface {
	SubscribeEffects() (<-chan struct{}, func())
}

// Sender sends one request.
type Sender interface {
	// Send makes one try. It ends when ctx ends, and then the try is Interrupted. StartedAt and Duration are not used.
	Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent
}

// The defaults of Options, which bound the memory.
const (
	DefaultTotal = 128
	DefaultBytes = 64 << 20
)

// Options configure an outbox. The zero value of a field means the default in its comment.
type Options struct {
	Store     Store
	Sender    Sender
	Policy    func(plugin string) (inbox.Policy, bool)         // of the plugin's live release; false: the plugin's requests wait
	Term      inbox.Term                                       // of the server
	Log       *slog.Logger                                     // default: discard
	Now       func() time.Time                                 // default: time.Now
	Roll      func() float64                                   // random numbers in [0,1); default: math/rand
	Idle      func() bool                                      // reports that nothing may be sent now; default: never
	Total     int                                              // tries at the same time; default 128
	PerOrigin int                                              // tries at the same time of one plugin to one origin; default 16
	Bytes     int64                                            // of the requests that are sent at the same time, without those up to 4 KiB; default 64 MiB
	Grace     time.Duration                                    // how long tries may go on after the stop; default: not at all
	Observe   func(*inbox.Effect, *inbox.Sent, inbox.Decision) // is called after each try; default: nothing
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Roll == nil {
		o.Roll = rand.Float64
	}
	if o.Idle == nil {
		o.Idle = func() bool { return false }
	}
	if o.Total == 0 {
		o.Total = DefaultTotal
	}
	if o.PerOrigin == 0 {
		o.PerOrigin = 16
	}
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	if o.Observe == nil {
		o.Observe = func(*inbox.Effect, *inbox.Sent, inbox.Decision) {}
	}
}

// Outbox sends effects. Its goroutine, that of Run, owns all fields but the channels and news.
type Outbox struct {
	opt     Options
	origins map[originName]*origin
	rows    rows      // the origins in the store
	active  int       // tries that run
	bytes   int64     // of their requests
	pending int       // settlements that are not durable yet
	turn    int       // the origin that may start tries first in the next step
	fenced  bool      // a newer server has taken over
	results chan *try // of tries that ended
	ends    chan end  // of settlements
	news    news
}

// rows are the origins in the store, as they were read at a time.
type rows struct {
	list []inbox.EffectOrigin
	at   time.Time
}

// news are the changes outside the store that Run has not seen yet.
type news struct {
	mu    sync.Mutex
	holds map[string]bool // plugins whose release changed
	wake  chan struct{}   // has a value when there is news
}

func (n *news) tell() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// New returns an outbox that Run starts.
func New(o Options) *Outbox {
	o.fill()
	return &Outbox{
		opt: o, origins: map[originName]*origin{},
		results: make(chan *try, o.Total), ends: make(chan end, 4*o.Total),
		news: news{holds: map[string]bool{}, wake: make(chan struct{}, 1)},
	}
}

// pause is the time after which the outbox looks again when the store failed, or nothing may be sent.
const pause = time.Second

// Run sends until ctx is done. Then it gives the running tries Options.Grace, interrupts the rest, and returns when all that ended
// are settled. The store must run until then.
func (o *Outbox) Run(ctx context.Context) error {
	due, unsubscribe := o.opt.Store.SubscribeEffects()
	defer unsubscribe()
	tries, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	defer interrupt()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		look := true
		select {
		case r := <-o.results:
			o.settleAll(tries, r)
			look = false
		case e := <-o.ends:
			o.endAll(e)
		case <-o.news.wake:
			o.endHolds()
		case <-due:
		case <-alarm.C:
		case <-ctx.Done():
			o.drain(tries, interrupt)
			return nil
		}
		alarm.Reset(o.step(tries, look))
	}
}

// Changed tells that another release of a plugin is live, or none. Its origins on hold are tried again at once. It does not block.
func (o *Outbox) Changed(plugin string) {
	o.news.mu.Lock()
	defer o.news.mu.Unlock()
	o.news.holds[plugin] = true
	o.news.tell()
}

// Wake makes the outbox look at its store again, because a plugin may have been resumed. It does not block.
func (o *Outbox) Wake() { o.news.tell() }

// drain ends the running tries and settles them.
func (o *Outbox) drain(tries context.Context, interrupt func()) {
	grace := time.NewTimer(o.opt.Grace)
	defer grace.Stop()
	for o.active > 0 || o.pending > 0 {
		select {
		case r := <-o.results:
			o.settle(tries, r)
		case e := <-o.ends:
			o.end(e)
		case <-grace.C:
			interrupt()
		}
	}
}
