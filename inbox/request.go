package inbox

import "time"

// Request is one HTTP request that a plugin asks for: an entry of its result's http, or a call of http_fetch. It is the plugin's
// wish as it was written. Package egress checks and sends it.
type Request struct {
	Method  string            // GET, HEAD, POST, PUT, PATCH or DELETE, in capitals
	URL     string            // absolute, of a granted origin, percent-encoded; a fragment is not sent
	Headers []Header          // sent as they are; a name may occur several times
	Secrets map[string]string // header name to a template with {{secret.NAME}}; the only place where secrets are expanded
	Body    []byte            // sent as it is; nobody may change it after the request was handed over
	Raw     bool              // the body is the stored bytes of the event, with its content type and signature header; Body is empty
	Then    string            // name of the event that the final response becomes; empty for no event
	Sign    Signing           // how the body is signed for the receiver; the zero value does not sign
}

// Signing says how a request is signed for its receiver, and with which of the operator's secrets.
type Signing struct {
	Scheme SignScheme // empty: not signed
	Secret string     // the secret's name; it must be granted for the origin of the request
}

// SignScheme is a scheme of signatures that receivers know.
type SignScheme string

// The schemes.
const (
	// SignStandard is Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): the headers webhook-id, webhook-timestamp and
	// webhook-signature, with HMAC-SHA256 in base64. The secret is base64, with or without the prefix whsec_.
	SignStandard SignScheme = "standard"
	// SignQoreID is the header x-verifyme-signature that QoreID sends: HMAC-SHA512 of the body in lower-case hex. A receiver
	// of QoreID's webhooks verifies it unchanged.
	SignQoreID SignScheme = "qoreid"
)

// Response is the final answer to a [Request]: the answer of the last hop where redirects are followed.
type Response struct {
	Status   int           // 200 to 599
	Headers  []Header      // the kept ones, names in lower case and sorted; see package egress for the list
	Body     []byte        // as sent, not decompressed, at most the limit of bytes
	Cut      bool          // the body was longer than the limit
	Duration time.Duration // from the first name look-up to the last byte that was read
	Family   string        // "ipv4" or "ipv6": the family of the address that answered; empty for a proxy
	Hops     int           // redirects that were followed
}
