package egress

import (
	"net/http"
	"net/netip"
	"net/url"
)

// What the tests of the package's outside reach into.
type Reach = reach

const (
	Public    = public
	Private   = private
	ByAddress = byAddress
	Nobody    = nobody
)

var (
	Classify    = classify
	KeptHeaders = keptHeaders
	Framing     = framing
	Own         = own
	Standard    = standard
)

// WithClassify returns options under which addresses are judged by f.
func (o Options) WithClassify(f func(netip.Addr) (Reach, string)) Options {
	o.classify = f
	return o
}

// WithProxy returns options under which f stands for the environment.
func (o Options) WithProxy(f func(*http.Request) (*url.URL, error)) Options {
	o.proxy = f
	return o
}

// MaskOf returns the masking of a whole text.
func MaskOf(name, secret string) func(string) string {
	m := maskOf([]Secret{NewSecret(name, secret, nil)})
	return func(text string) string { return string(m.hide([]byte(text), len(text))) }
}
