package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"inbox/inbox"
	"inbox/inbox/datadir"
	"inbox/inbox/store"
)

type actorKey struct{}

var errNoActor = inbox.Errorf(inbox.Unauthorized, "", "the operator's API needs the token").
	WithHint("it is in the file api.token of the data directory: send it as Authorization: Bearer …, or with --token")

var errWrongToken = inbox.Errorf(inbox.Unauthorized, "", "the token is wrong").
	WithHint("the server's is in the file api.token of its data directory; --token @FILE reads it from there")

// WithActor names who acts in a context: the name stands in the audit log.
func WithActor(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, actorKey{}, name)
}

func actorName(ctx context.Context) string {
	name, _ := ctx.Value(actorKey{}).(string)
	return name
}

func actor(r *http.Request, reason string) store.Actor {
	return store.Actor{Name: actorName(r.Context()), Reason: reason}
}

// Self is the actor of a process that works on the store itself.
func Self() string { return "uid:" + strconv.Itoa(os.Getuid()) }

// RequireToken serves next to who shows the token, as the actor "token". The comparison takes the same time whatever is
// shown.
func RequireToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(strings.TrimSpace(shown)))
		if !ok || token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="inbox"`)
			writeProblem(w, inbox.Unauthorized, tokenProblem(strings.TrimSpace(shown)))
			return
		}
		next.ServeHTTP(w, r.WithContext(WithActor(r.Context(), "token")))
	})
}

// tokenProblem is what is said to who shows no token, or another one.
func tokenProblem(shown string) error {
	if shown == "" {
		return errNoActor
	}
	return errWrongToken
}

// PeerActor names, for a connection of the socket in the data directory, the user at its other end. It fits
// [http.Server.ConnContext]. The connection needs no token: the socket's mode lets in its owner only, and of other users than
// root and the one that the server runs as every request is refused, whatever the mode became.
func PeerActor(ctx context.Context, c net.Conn) context.Context {
	uid, known, err := peerUID(c)
	switch {
	case err != nil, known && uid != 0 && uid != uint32(os.Geteuid()):
		return context.WithValue(ctx, strangerKey{}, true)
	case known:
		return WithActor(ctx, "uid:"+strconv.FormatUint(uint64(uid), 10))
	}
	return WithActor(ctx, "socket")
}

// strangerKey marks the requests of a user whom the socket is not for.
type strangerKey struct{}

var errStranger = inbox.Errorf(inbox.Forbidden, "", "this socket is for root and for the user that the server runs as").
	WithHint("run the command as that user, or with --url and the token")

// Token returns the token of a data directory, and makes it, readable by its owner only, when there is none.
func Token(dir string) (string, error) {
	path := filepath.Join(dir, datadir.Token)
	text, err := os.ReadFile(path)
	if err == nil {
		if token := strings.TrimSpace(string(text)); token != "" {
			return token, os.Chmod(path, 0o600) // in case a copy made it readable by others
		}
		return "", inbox.Errorf(inbox.Invalid, "read the token", "%s is empty", path).WithHint("remove it, and the next start makes a new one")
	}
	if !os.IsNotExist(err) {
		return "", inbox.Errorf(inbox.Unavailable, "read the token", "%w", err)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	token := hex.EncodeToString(raw)
	if err := datadir.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", inbox.Errorf(inbox.Unavailable, "make the token", "%w", err)
	}
	return token, nil
}
