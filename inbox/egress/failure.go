package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"inbox/inbox"
)

// fail gives an error its operation: the method and the origin. The rest of the url may hold personal data.
func (x *exchange) fail(err error) error {
	op := "request"
	if x.origin != (Origin{}) {
		op = x.method + " " + x.origin.String()
	}
	return &inbox.Error{Kind: inbox.KindOf(err), Op: op, Err: err}
}

// explain turns the error of an exchange into one of our own. The texts of net/http and crypto/tls are not used: they hold
// urls with their queries and pieces of what the server sent, and a server can send back a secret. Everything that a later
// try may cure is Unavailable, certificates included: operators renew them.
func (x *exchange) explain(caller, timed context.Context, limit time.Duration, l Limits, err error) error {
	var own *inbox.Error
	var refused *refusedAddress
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &refused):
		return x.refused(refused)
	case errors.Is(caller.Err(), context.Canceled):
		return inbox.Errorf(inbox.Unavailable, "", "it was interrupted while %s: %w", x.trace.phase(), context.Canceled)
	case caller.Err() != nil:
		return inbox.Errorf(inbox.Unavailable, "", "no complete response in the time that was left: timed out while %s: %w", x.trace.phase(), context.DeadlineExceeded)
	case timed.Err() != nil:
		return inbox.Errorf(inbox.Unavailable, "", "no complete response within %s: timed out while %s: %w", limit, x.trace.phase(), context.DeadlineExceeded)
	}
	if text, hint := certificate(err); text != "" {
		return inbox.Errorf(inbox.Unavailable, "", "%s", text).WithHint(hint)
	}
	return x.network(err, l)
}

// refused explains an address that was not dialled. Where another address of the name was tried and failed, that may pass later.
func (x *exchange) refused(r *refusedAddress) error {
	switch {
	case x.trace.tried.Load():
		return inbox.Errorf(inbox.Unavailable, "", "failed while connecting: one address of %s did not answer, another is not allowed: %s", x.origin.host, r.name)
	case x.hops > 0:
		return inbox.Errorf(inbox.Forbidden, "", "%w to %s: %w", ErrRedirect, x.origin, r).WithHint(r.hint(x.origin))
	}
	return inbox.Errorf(inbox.Forbidden, "", "%w", r).WithHint(r.hint(x.origin))
}

// certificate says what is wrong with a certificate; empty when it is something else.
func certificate(err error) (text, hint string) {
	var (
		verify  *tls.CertificateVerificationError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		bad     x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return "the certificate is for another name", "the receiver must install a certificate for this host"
	case errors.As(err, &unknown):
		return "the certificate is signed by an authority that is not trusted", `if the authority is your own, name its file: ca = "/path/ca.pem" in the table [http]`
	case errors.As(err, &bad) && bad.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet", "the receiver must renew its certificate; also look at the clock of this machine"
	case errors.As(err, &bad), errors.As(err, &verify):
		return "the certificate cannot be verified", "the receiver must install another certificate"
	}
	return "", ""
}

// network describes failures of names, connections and the protocol.
func (x *exchange) network(err error, l Limits) error {
	say := func(format string, args ...any) error { return inbox.Errorf(inbox.Unavailable, "", format, args...) }
	var (
		dns     *net.DNSError
		timeout net.Error
		alert   tls.AlertError
		record  tls.RecordHeaderError
		errno   syscall.Errno
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return say("the name %s does not exist", x.origin.host)
	case errors.As(err, &dns):
		return say("the name %s could not be looked up: the name server does not answer", x.origin.host)
	case errors.As(err, &timeout) && timeout.Timeout():
		return say("timed out while %s", x.trace.phase())
	case errors.As(err, &record):
		return inbox.Errorf(inbox.Unavailable, "", "the receiver does not speak TLS at this port").WithHint("look at scheme and port of the origin")
	case errors.As(err, &alert):
		return say("the receiver ended the TLS handshake: alert %d", uint8(alert))
	case errors.As(err, &errno):
		return say("failed while %s: %w", x.trace.phase(), errno)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return say("the receiver closed the connection while %s", x.trace.phase())
	}
	return say("%s", x.protocol(err.Error(), l))
}

// protocol chooses our words for errors that net/http only has as texts.
func (x *exchange) protocol(text string, l Limits) string {
	switch {
	case strings.Contains(text, "response headers exceeded"), strings.Contains(text, "response header list larger"):
		return fmt.Sprintf("the response headers have more than %d bytes", l.ResponseHeader)
	case strings.Contains(text, "COMPRESSION_ERROR"): // HTTP/2 also says so for one header that is too long
		return fmt.Sprintf("the response headers cannot be decoded or have more than %d bytes", l.ResponseHeader)
	case strings.Contains(text, "malformed"):
		return "the response is not valid HTTP"
	case strings.Contains(text, "tls:"):
		return "the TLS handshake failed"
	}
	return "the exchange broke off while " + x.trace.phase().String()
}
