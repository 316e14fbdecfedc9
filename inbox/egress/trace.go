package egress

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// phase is how far a hop got. It only grows.
type phase int32

const (
	atStart phase = iota
	atLookup
	atConnect
	atHandshake
	atSend
	atWait
	atRead
)

// String says what the hop was doing, for errors.
func (p phase) String() string {
	switch p {
	case atLookup:
		return "looking up the name"
	case atConnect:
		return "connecting"
	case atHandshake:
		return "in the TLS handshake"
	case atSend:
		return "sending the request"
	case atWait:
		return "waiting for the response"
	case atRead:
		return "reading the response"
	}
	return "waiting for a connection"
}

// trace watches one hop. The transport calls its hooks from several goroutines, also after the hop has ended.
type trace struct {
	at     atomic.Int32 // a phase
	family atomic.Int32 // 4 or 6; 0 while unknown
	tried  atomic.Bool  // an address passed the gate and was dialled
}

// traceKey is the key of the trace in the context of a dial. The transport hands the values of the request's context on.
type traceKey struct{}

// dialled notes that an address passed the gate.
func dialled(ctx context.Context) {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		t.tried.Store(true)
	}
}

// reach notes a phase, unless a later one was noted: a connection that lost a race reports late.
func (t *trace) reach(p phase) {
	for {
		old := t.at.Load()
		if old >= int32(p) || t.at.CompareAndSwap(old, int32(p)) {
			return
		}
	}
}

func (t *trace) phase() phase { return phase(t.at.Load()) }

// peer returns the family of the address that answered.
func (t *trace) peer() string {
	switch t.family.Load() {
	case 4:
		return "ipv4"
	case 6:
		return "ipv6"
	}
	return ""
}

// with returns a context whose request is watched.
func (t *trace) with(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(context.WithValue(ctx, traceKey{}, t), &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { t.reach(atLookup) },
		ConnectStart:      func(string, string) { t.reach(atConnect) },
		TLSHandshakeStart: func() { t.reach(atHandshake) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.reach(atSend)
			if addr, ok := info.Conn.RemoteAddr().(*net.TCPAddr); ok {
				t.family.Store(6)
				if addr.IP.To4() != nil {
					t.family.Store(4)
				}
			}
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				t.reach(atWait)
			}
		},
		GotFirstResponseByte: func() { t.reach(atRead) },
	})
}
