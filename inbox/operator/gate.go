package operator

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
)

// Tokens finds the tokens that operators made.
type Tokens interface {
	TokenByHash(ctx context.Context, hash inbox.TokenHash) (*inbox.Token, error)
	UseToken(ctx context.Context, name string, at time.Time)
}

// Gate configures [RequireToken].
type Gate struct {
	File   string           // the token of the file api.token, which may do everything; empty: none
	Tokens Tokens           // finds other tokens; nil: there are none
	Log    *slog.Logger     // default: discard
	Now    func() time.Time // default: time.Now
}

// Bounds of one token's requests.
const (
	maxToken  = 256         // bytes of a token that is looked at
	tokenOpen = 16          // requests at the same time, streams included
	tokenWait = time.Second // that a request waits for its turn
)

// gate admits requests with a token.
type gate struct {
	Gate
	next     http.Handler
	failures failures

	mu    sync.Mutex
	known map[inbox.TokenHash]bool // tokens that were valid at their newest use
	used  map[string]time.Time     // hour of the newest use that was noted, by name
	open  map[string]chan struct{} // has an element for each running request of a token
}

// RequireToken calls next for requests that carry a token, with the token's name and scopes. The token of the file has the name
// "token" and may do everything; another has the name "token:NAME". Tokens are compared by hash in constant time. An address
// that shows many wrong tokens is answered 429, unless it shows a token that was valid before.
func RequireToken(g Gate, next http.Handler) http.Handler {
	if g.Log == nil {
		g.Log = slog.New(slog.DiscardHandler)
	}
	if g.Now == nil {
		g.Now = time.Now
	}
	return &gate{Gate: g, next: next, known: map[inbox.TokenHash]bool{}, used: map[string]time.Time{}, open: map[string]chan struct{}{}}
}

// ServeHTTP serves one request.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, err := g.caller(r)
	if err == nil && who.token != "" {
		var end func()
		if end, err = g.begin(r.Context(), who.token); err == nil {
			defer end()
		}
	}
	switch inbox.KindOf(err) {
	case inbox.Unauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="inbox"`)
	case inbox.TooMany:
		wait := time.Second
		if err == errManyWrong {
			wait += g.failures.left(g.Now())
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	if err != nil {
		writeProblem(w, inbox.KindOf(err), err)
		return
	}
	g.next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
}

// caller returns the holder of the token that a request carries.
func (g *gate) caller(r *http.Request) (caller, error) {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	shown = strings.TrimSpace(shown)
	if !ok || shown == "" {
		return caller{}, errNoActor
	}
	hash, file := inbox.HashToken(shown[:min(len(shown), maxToken+1)]), inbox.HashToken(g.File)
	if g.File != "" && subtle.ConstantTimeCompare(hash[:], file[:]) == 1 {
		return caller{name: "token", scopes: everything}, nil
	}
	from, now := addressOf(r), g.Now()
	if g.failures.full(from, now) && !g.isKnown(hash) {
		return caller{}, errManyWrong
	}
	t, err := g.find(r.Context(), shown, hash, now)
	switch {
	case err == nil:
		g.note(r.Context(), hash, t, now)
		return caller{name: "token:" + t.Name, token: t.Name, scopes: t.Scopes}, nil
	case inbox.KindOf(err) != inbox.Unauthorized:
		return caller{}, err // the store cannot be read
	}
	g.forget(hash)
	if g.failures.add(from, now) {
		g.Log.Warn("a request to the operator's API has a wrong or expired token; others of the next minute are not logged", "from", from)
	}
	return caller{}, err
}

// find returns the token that a request shows. It returns an Unauthorized error for a wrong or an expired one.
func (g *gate) find(ctx context.Context, shown string, hash inbox.TokenHash, now time.Time) (*inbox.Token, error) {
	if g.Tokens == nil || len(shown) > maxToken {
		return nil, errWrongToken
	}
	t, err := g.Tokens.TokenByHash(ctx, hash)
	switch {
	case inbox.KindOf(err) == inbox.NotFound:
		return nil, errWrongToken
	case err != nil:
		return nil, err
	case t.Expired(now):
		return nil, inbox.Errorf(inbox.Unauthorized, "", "the token %s has expired", t.Name).WithHint("`inbox token new --name NAME` makes another one")
	}
	return t, nil
}

func (g *gate) isKnown(hash inbox.TokenHash) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[hash]
}

func (g *gate) forget(hash inbox.TokenHash) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, hash)
}

// note remembers that a token is valid, and notes its use once an hour.
func (g *gate) note(ctx context.Context, hash inbox.TokenHash, t *inbox.Token, now time.Time) {
	hour := now.Truncate(time.Hour)
	g.mu.Lock()
	if len(g.known) >= 2*inbox.MaxTokens { // of revoked ones, too
		clear(g.known)
	}
	g.known[hash] = true
	if len(g.used) >= 2*inbox.MaxTokens {
		clear(g.used)
	}
	first := !g.used[t.Name].Equal(hour)
	g.used[t.Name] = hour
	g.mu.Unlock()
	if first {
		g.Tokens.UseToken(ctx, t.Name, now)
	}
}

// begin waits until a token may make another request, and returns a function that ends it.
func (g *gate) begin(ctx context.Context, token string) (end func(), err error) {
	g.mu.Lock()
	running := g.open[token]
	if running == nil {
		running = make(chan struct{}, tokenOpen)
		g.open[token] = running
	}
	g.mu.Unlock()
	wait := time.NewTimer(tokenWait)
	defer wait.Stop()
	select {
	case running <- struct{}{}:
		return func() { <-running }, nil
	case <-wait.C:
		return nil, inbox.Errorf(inbox.TooMany, "", "the token %s has %d requests under way", token, tokenOpen).
			WithHint("send fewer at a time; an open stream counts too")
	case <-ctx.Done():
		return nil, inbox.Errorf(inbox.Unavailable, "", "the client went away")
	}
}
