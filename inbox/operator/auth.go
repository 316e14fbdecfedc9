package operator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"inbox/inbox"
	"inbox/inbox/datadir"
)

var errNoActor = inbox.Errorf(inbox.Unauthorized, "", "the operator's API needs the token").
	WithHint("send that of the file api.token in the data directory, or one that `inbox token new --name NAME` made, as Authorization: Bearer …, or with --token")

var errWrongToken = inbox.Errorf(inbox.Unauthorized, "", "the token is wrong or revoked").
	WithHint("`inbox token list` shows the tokens; one that may do everything is in the file api.token of the data directory, and --token @FILE reads it")

var errManyWrong = inbox.Errorf(inbox.TooMany, "", "this address has sent too many wrong tokens").
	WithHint("wait a minute, and check the token")

// WithActor returns a context that carries the name of an actor who may do everything. The audit log records that name.
func WithActor(ctx context.Context, name string) context.Context {
	return withCaller(ctx, caller{name: name, scopes: everything})
}

func actorName(ctx context.Context) string { return callerOf(ctx).name }

func actor(r *http.Request, reason string) inbox.Actor {
	return inbox.Actor{Name: actorName(r.Context()), Reason: reason}
}

// Self returns the actor of a process that opens the store itself.
func Self() string { return "uid:" + strconv.Itoa(os.Getuid()) }

// PeerActor adds the user at the other end of a connection to its context, as the actor. The connection belongs to the socket
// in the data directory. It fits [http.Server.ConnContext]. Such a connection needs no token: the mode of the socket admits
// its owner only. Requests of users other than root and the server's own are rejected, whatever the mode is now.
func PeerActor(ctx context.Context, c net.Conn) context.Context {
	uid, known, err := peerUID(c)
	switch {
	case err != nil, known && uid != 0 && uid != uint32(os.Geteuid()):
		return context.WithValue(ctx, otherUserKey{}, true)
	case known:
		return WithActor(ctx, "uid:"+strconv.FormatUint(uint64(uid), 10))
	}
	return WithActor(ctx, "socket")
}

// otherUserKey marks the requests of a user who may not use the socket.
type otherUserKey struct{}

var errOtherUser = inbox.Errorf(inbox.Forbidden, "", "this socket is for root and for the user that the server runs as").
	WithHint("run the command as that user, or with --url and the token")

// Token returns the token of a data directory. It creates a missing token, readable by its owner only.
func Token(dir string) (string, error) {
	path := filepath.Join(dir, datadir.Token)
	text, err := os.ReadFile(path)
	if err == nil {
		if token := strings.TrimSpace(string(text)); token != "" {
			return token, os.Chmod(path, 0o600) // a copy may have made it readable by others
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
