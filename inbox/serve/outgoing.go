package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/config"
	"inbox/inbox/egress"
	"inbox/inbox/release"
)

// maxAnswer is the number of bytes of a response's body that are kept.
const maxAnswer = 64 << 10

// outgoing sends the requests of all plugins, each under the grants of its live release. It implements outbox.Sender.
type outgoing struct {
	log       *slog.Logger
	getenv    func(string) string
	signature func(source string) string // name of the signature header of a source
	userAgent string

	mu   sync.Mutex
	live map[string]*granted // by plugin
	bad  map[string]error    // by plugin: why there is no client for its live release
}

// granted is the client of a live release.
type granted struct {
	client *egress.Client
	policy inbox.Policy
	users  sync.WaitGroup // requests that run
}

func newOutgoing(s *config.Settings, log *slog.Logger, getenv func(string) string, version string) *outgoing {
	return &outgoing{log: log, getenv: getenv, userAgent: "inbox/" + version, live: map[string]*granted{}, bad: map[string]error{}, signature: func(source string) string {
		if of := s.Source(source); of != nil {
			return of.Header
		}
		return ""
	}}
}

// change takes over the grants of a plugin's live release. The client of the release before it is closed after its requests.
func (g *outgoing) change(c release.Change) {
	var next *granted
	var bad error
	if c.Live != nil {
		client, err := g.client(&c.Live.Manifest.HTTP, maxAnswer)
		if bad = err; err != nil {
			g.log.Error("the plugin's requests are not sent", "plugin", c.Plugin, "error", err, "hint", inbox.HintOf(err))
		} else {
			next = &granted{client: client, policy: c.Live.Manifest.HTTP.Policy}
		}
	}
	g.mu.Lock()
	old := g.live[c.Plugin]
	if g.live[c.Plugin] = next; next == nil {
		delete(g.live, c.Plugin)
	}
	if g.bad[c.Plugin] = bad; bad == nil {
		delete(g.bad, c.Plugin)
	}
	g.mu.Unlock()
	if old != nil {
		go func() {
			old.users.Wait()
			old.client.Close()
		}()
	}
}

// fetching returns the client for the fetches of a release. Its connections are not those of the release's effects.
func (g *outgoing) fetching(h *inbox.HTTP) (*egress.Client, error) {
	return g.client(h, inbox.MaxFetchedBody)
}

// client returns a client for the grants of a release, which keeps a number of bytes of each response's body.
func (g *outgoing) client(h *inbox.HTTP, body int64) (*egress.Client, error) {
	grant, origins, err := egress.GrantOf(h)
	if err != nil {
		return nil, err
	}
	places := map[string]string{}
	for _, s := range h.Secrets {
		places[s.Name] = s.Value
	}
	return egress.New(grant, egress.Options{
		UserAgent: g.userAgent, Limits: egress.Limits{ResponseBody: body},
		Secret: func(name string) (egress.Secret, bool) {
			place, ok := places[name]
			if !ok {
				return egress.Secret{}, false
			}
			value, err := config.PluginSecret(place, g.getenv)
			if err != nil {
				g.log.Warn("a plugin's secret cannot be read", "secret", name, "place", place, "error", err)
			}
			return egress.NewSecret(name, value, origins[name]), true
		},
	})
}

// use returns the client of a plugin, nil without one. The caller calls users.Done of it.
func (g *outgoing) use(plugin string) *granted {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.live[plugin]
	if of != nil {
		of.users.Add(1)
	}
	return of
}

// policy returns the policy of a plugin's requests. It reports false when no release of the plugin is live.
func (g *outgoing) policy(plugin string) (inbox.Policy, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.live[plugin]
	if of == nil {
		return inbox.Policy{}, false
	}
	return of.policy, true
}

// unsent returns why the requests of a plugin are not sent, and a hint; empty when they are.
func (g *outgoing) unsent(plugin string) (why, hint string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch bad := g.bad[plugin]; {
	case g.live[plugin] != nil:
		return "", ""
	case bad != nil:
		return bad.Error(), inbox.HintOf(bad)
	}
	return "no release of the plugin is live", "`inbox plugin list` shows why; they are sent when one is live again"
}

// Send makes one try to send an effect.
func (g *outgoing) Send(ctx context.Context, e *inbox.Effect, r *inbox.EffectRequest) inbox.Sent {
	of := g.use(e.Lane.Plugin)
	if of == nil {
		return inbox.Sent{Interrupted: true} // it has stopped just now
	}
	defer of.users.Done()
	answer, err := of.client.Do(ctx, egress.Call{Request: r.Request, Original: g.original(r), IdempotencyKey: e.Key})
	if err != nil {
		return failed(ctx, err)
	}
	sent := inbox.Sent{Response: answer}
	if sent.Result() == inbox.OK {
		return sent
	}
	sent.Why = fmt.Sprintf("the receiver answered %d %s", answer.Status, http.StatusText(answer.Status))
	for _, h := range answer.Headers {
		if h.Name == "retry-after" {
			sent.RetryAfter, _ = egress.RetryAfter(h.Value, time.Now())
		}
	}
	return sent
}

// failed returns the try without a response. The errors of package egress hold no payload and no secret.
func failed(ctx context.Context, err error) inbox.Sent {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return inbox.Sent{Interrupted: true}
	}
	sent := inbox.Sent{Failure: inbox.Retry, Why: err.Error()}
	switch kind := inbox.KindOf(err); {
	case errors.Is(err, egress.ErrSecret):
		sent.Failure, sent.Alone = inbox.Denied, true // requests without this secret go on
	case errors.Is(err, egress.ErrRedirect): // the receiver's choice for this url
	case kind == inbox.Invalid, errors.Is(err, egress.ErrHeader):
		sent.Failure = inbox.Reject
	case kind == inbox.Forbidden:
		sent.Failure = inbox.Denied
	}
	return sent
}

// original returns the headers of a raw request: the content type and the signature of the stored event.
func (g *outgoing) original(r *inbox.EffectRequest) (kept []inbox.Header) {
	for _, h := range r.Original {
		if strings.EqualFold(h.Name, "content-type") || strings.EqualFold(h.Name, g.signature(r.Source)) {
			kept = append(kept, h)
		}
	}
	return kept
}
