package torture

import (
	"crypto/sha256"
	"sync"

	"inbox/inbox"
)

// sent is a body that was sent to a source, with the expected results.
type sent struct {
	source string
	mode   inbox.Mode
	body   string
	entity string // its mode and entity; empty when its bytes cannot be parsed
	script string // script of the plugins; empty when they cannot read it: then the outcome is ok
	known  bool   // its event type can be parsed
	seen   bool   // a plugin emitted it
	copies bool   // its source stores every copy

	sends int // number of times that it was sent
}

// answered is one answer 200.
type answered struct {
	body   *sent
	seq    int64
	first  bool  // the body had not been sent before
	stored bool  // the answer is stored, not duplicate
	floor  int64 // highest answered seq at the time of the send
}

// history is the oracle's knowledge of a store: the bodies that were sent to it, and the answers. mu guards all of it except base.
type history struct {
	base       int64 // number of events that were stored before torture began
	mu         sync.Mutex
	round      int
	bodies     map[string]*sent // by source and body
	list       []*sent
	acks       []answered
	highest    int64
	holds      map[string]int // by plugin, from the server's log
	badAnswers []string       // wrong answers
	refused    int64
	count      int64
	replays    int64
	arrivals   []arrival      // of requests at the receiver, in order
	times      map[string]int // numbers of arrivals, by key
}

func newHistory() *history {
	return &history{bodies: map[string]*sent{}, holds: map[string]int{}, times: map[string]int{}}
}

func (w *history) sends() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// sending records that a body is about to be sent. It returns the record of the body, whether it is new, and the highest seq
// answered so far.
func (w *history) sending(s sent) (body *sent, first bool, floor int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	name := s.source + "\x00" + s.body
	body, ok := w.bodies[name]
	if !ok {
		body = &s
		w.bodies[name] = body
		w.list = append(w.list, body)
	}
	body.sends++
	return body, !ok, w.highest
}

// repeated returns a body that was sent before.
func (w *history) repeated(roll int) (sent, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		return sent{}, false
	}
	recent := w.list[len(w.list)/2:]
	s := *recent[roll%len(recent)]
	s.sends = 0
	return s, true
}

func (w *history) answer(a answered) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks = append(w.acks, a)
	w.highest = max(w.highest, a.seq)
}

// badAnswer records a wrong answer. It keeps up to 20.
func (w *history) badAnswer(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.badAnswers) < 20 {
		w.badAnswers = append(w.badAnswers, text)
	}
}

// accepted returns the number of answers 200.
func (w *history) accepted() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.acks))
}

// refusals returns the number of answers 503.
func (w *history) refusals() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

// arrived records a request at the receiver. It returns the place of the record, and the number of arrivals with this key.
func (w *history) arrived(key string, body [sha256.Size]byte) (at, times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times[key]++
	w.arrivals = append(w.arrivals, arrival{key: key, body: body})
	return len(w.arrivals) - 1, w.times[key]
}

// took records that a request is about to be answered 200.
func (w *history) took(at int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals[at].taken = true
}
