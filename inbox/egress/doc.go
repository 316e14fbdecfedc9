// Package egress is the one HTTP client by which plugins reach the outside: package outbox sends committed requests with it, and the
// host import http_fetch asks with it. It stands beside the line, and knows no store and no plugin.
//
// It promises:
//   - A request goes to an origin (scheme, host, port) that the operator granted, at every hop.
//   - The address is checked when it is dialled, after the name look-up. Only addresses of the public internet pass. An origin of
//     the grant's list private may have private addresses too.
//   - TLS is verified, from version 1.2 on. There is no switch against it.
//   - An exchange is bounded in time and in bytes, in both directions.
//   - A secret is expanded only in a header of the request's map secrets, and only towards the origins it was granted for. It
//     appears in no error, log or response.
//
// Errors are of type [inbox.Error], and their kind says what to do: Forbidden means that the grant does not allow it, and the reason is
// [ErrNotGranted], [ErrAddress], [ErrHeader] or [ErrSecret], beside [ErrRedirect] where a redirect led there. Invalid means that the request can never be sent. Unavailable means
// that the same request may pass later. An error that wraps [context.Canceled] was caused by the caller, not by the receiver.
//
// It leaves to others: order, retries and holds (outbox), the journal of http_fetch (host), where secrets are kept (config),
// and reading the grant from NAME.toml (release). [RetryAfter] reads one of its headers. [inbox.Sent.Result] says what a response means for an effect.
package egress
