package egress

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"inbox/inbox"
)

// Options are what all clients of the program share. The zero value is usable.
type Options struct {
	Limits    Limits
	UserAgent string                                // the header User-Agent; empty means "inbox"
	Secret    func(name string) (Secret, bool)      // the plugin's secrets as they are now, from several goroutines; nil means that it has none
	Resolver  *net.Resolver                         // looks names up; nil means the system's
	proxy     func(*http.Request) (*url.URL, error) // what the environment says; tests replace it
	classify  func(netip.Addr) (reach, string)      // tests replace it
}

// Limits bound one exchange. The zero value of a field means its default.
type Limits struct {
	Time           time.Duration // the whole exchange, redirects and response body included; default 30 s
	Dial           time.Duration // name look-up and connection; default 10 s
	Handshake      time.Duration // TLS; default 10 s
	Header         time.Duration // from the sent request to the response's headers; default: only the whole time counts
	RequestBody    int64         // bytes; default 16 MiB: a stored event of the largest default size passes
	ResponseHeader int64         // bytes of all response headers of one hop; default 64 KiB
	ResponseBody   int64         // bytes; a longer body is cut and marked; default 1 MiB
	Connections    int           // to one origin at the same time; further requests wait; default 64
}

// maxURL is the longest url in bytes. RFC 9110, section 4.1, asks for at least 8000.
const maxURL = 8192

// idleFor is how long an unused connection is kept.
const idleFor = time.Minute

func (o Options) withDefaults() Options {
	or(&o.Limits.Time, 30*time.Second)
	or(&o.Limits.Dial, 10*time.Second)
	or(&o.Limits.Handshake, 10*time.Second)
	or(&o.Limits.RequestBody, 16<<20)
	or(&o.Limits.ResponseHeader, 64<<10)
	or(&o.Limits.ResponseBody, 1<<20)
	or(&o.Limits.Connections, 64)
	or(&o.UserAgent, "inbox")
	if o.proxy == nil {
		o.proxy = http.ProxyFromEnvironment
	}
	if o.classify == nil {
		o.classify = classify
	}
	return o
}

func or[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}

// Call is one request with what the program adds to it.
type Call struct {
	Request        inbox.Request  // of a raw request: with the stored bytes as Body
	Original       []inbox.Header // of a raw request: the stored event's content type and signature header
	IdempotencyKey string         // visible ASCII without dots, the same over retries; empty for no such header
	Time           time.Duration  // bounds this exchange in place of Limits.Time; zero means Limits.Time
}
