package operator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"inbox/inbox"
	"inbox/inbox/api"
)

// Options configure the API. Store, Control and Sources are required.
type Options struct {
	Store   Store
	Control Control
	Sources Sources
	Version string
	Serving bool                   // a server runs in this process
	Refused func() []inbox.Refusal // refusals that are not stored yet; nil: none
	Log     *slog.Logger           // default: discard
	Now     func() time.Time       // default: time.Now
}

// server handles the API. It has a method for each route and for the parts of their answers.
type server struct {
	Options
	subjects
}

// route is one operation. [api.OpenAPI] lists the same routes.
type route struct {
	method, path string
	do           func(s *server, w http.ResponseWriter, r *http.Request) error
}

func routes() []route {
	return []route{
		{"GET", "/v1/openapi.yaml", (*server).openAPI},
		{"GET", "/v1/status", (*server).status},
		{"POST", "/v1/resume", (*server).resumeAll},
		{"GET", "/v1/audit", (*server).audit},
		{"GET", "/v1/events", (*server).listEvents},
		{"GET", "/v1/events/stream", (*server).streamEvents},
		{"GET", "/v1/events/{id}", (*server).showEvent},
		{"GET", "/v1/events/{id}/raw", (*server).rawEvent},
		{"GET", "/v1/entities", (*server).listEntities},
		{"GET", "/v1/entities/timeline", (*server).showTimeline},
		{"POST", "/v1/entities/link", (*server).linkEntity},
		{"GET", "/v1/state", (*server).listState},
		{"GET", statePath, (*server).showState},
		{"POST", "/v1/state-reset/{plugin}/{key...}", (*server).resetState},
		{"GET", "/v1/state-history/{plugin}/{key...}", (*server).stateHistory},
		{"GET", "/v1/state-diff/{plugin}/{key...}", (*server).stateDiff},
		{"GET", "/v1/deliveries", (*server).listDeliveries},
		{"GET", "/v1/dead", (*server).listDead},
		{"POST", "/v1/dead/retry", (*server).retryDead},
		{"POST", "/v1/dead/discard", (*server).discardDead},
		{"GET", "/v1/effects", (*server).listEffects},
		{"GET", "/v1/effects/{id}", (*server).showEffect},
		{"POST", "/v1/effects/retry", (*server).retryEffects},
		{"POST", "/v1/effects/discard", (*server).discardEffects},
		{"POST", "/v1/effects/release", (*server).releaseEffects},
		{"POST", "/v1/effects/drop", (*server).dropEffects},
		{"GET", "/v1/replays", (*server).listReplays},
		{"POST", "/v1/replays", (*server).createReplay},
		{"GET", "/v1/replays/{id}", (*server).showReplay},
		{"POST", "/v1/replays/{id}/cancel", (*server).cancelReplay},
		{"GET", "/v1/plugins", (*server).listPlugins},
		{"GET", "/v1/plugins/{name}", (*server).showPlugin},
		{"POST", "/v1/plugins/{name}/pause", (*server).pausePlugin},
		{"POST", "/v1/plugins/{name}/resume", (*server).resumePlugin},
		{"POST", "/v1/plugins/{name}/rollback", (*server).rollbackPlugin},
		{"POST", "/v1/plugins/{name}/remove", (*server).removePlugin},
		{"POST", "/v1/plugins/{name}/rebuild", (*server).rebuildPlugin},
		{"GET", "/v1/plugins/{name}/rebuild", (*server).showRebuild},
		{"GET", "/v1/quarantine", (*server).listQuarantine},
		{"POST", "/v1/quarantine/recheck", (*server).recheck},
		{"POST", "/v1/quarantine/discard", (*server).discardRefused},
		{"GET", "/v1/tokens", (*server).listTokens},
		{"POST", "/v1/tokens", (*server).newToken},
		{"POST", "/v1/tokens/{name}/revoke", (*server).revokeToken},
		{"POST", "/v1/db/check", (*server).checkStore},
		{"POST", "/v1/db/backup", (*server).backUp},
	}
}

// New returns the handler of the API. It rejects requests whose context has no actor: see [RequireToken], [PeerActor] and
// [WithActor]. A stream ends with the context of its request, so a server that stops must cancel these contexts.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{o, subjectsOf(o.Store)}
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			err := allow(&rt, r)
			if err == nil {
				err = rt.do(s, w, r)
			}
			if err != nil {
				s.fail(w, r, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, inbox.Errorf(inbox.NotFound, "", "there is no %s %s", r.Method, r.URL.Path).WithHint("GET /v1/openapi.yaml describes what there is"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Context().Value(otherUserKey{}) != nil {
			s.fail(w, r, errOtherUser)
			return
		}
		if actorName(r.Context()) == "" {
			s.fail(w, r, errNoActor)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// statuses returns the HTTP status of each kind of error.
func statuses() map[inbox.Kind]int {
	return map[inbox.Kind]int{
		inbox.Internal: http.StatusInternalServerError, inbox.Invalid: http.StatusBadRequest,
		inbox.Unauthorized: http.StatusUnauthorized, inbox.Forbidden: http.StatusForbidden, inbox.NotFound: http.StatusNotFound,
		inbox.Conflict: http.StatusConflict, inbox.Unavailable: http.StatusServiceUnavailable,
		inbox.TooLarge: http.StatusRequestEntityTooLarge, inbox.TooMany: http.StatusTooManyRequests,
	}
}

// fail writes an error as the answer.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // the client is gone
	}
	kind := inbox.KindOf(err)
	if kind == inbox.Internal {
		s.Log.Error("the api failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, kind, err)
}

func writeProblem(w http.ResponseWriter, kind inbox.Kind, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses()[kind])
	body := api.Problem{Error: api.ProblemBody{Code: kind, Message: err.Error(), Hint: inbox.HintOf(err)}}
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// reply writes a value as the answer.
func reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
	return nil
}

// maxRequest bounds the body of a request in bytes. The names of a million dead letters fit.
const maxRequest = 64 << 20

// decode decodes the body of a request into v. An empty body leaves v unchanged.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return inbox.Errorf(inbox.Invalid, "read the request", "%w", err)
	}
	return nil
}

func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(api.OpenAPI)
	return nil
}
