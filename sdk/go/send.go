package sdk

import (
	"encoding/json"
	"slices"
	"strings"

	"inbox/sdk/abi"
)

// Request is an HTTP request that inbox sends after the commit of an answer, at least once: after a failure or a crash it is sent
// again, with the same body and the same header Idempotency-Key. Requests of one verification to one origin are sent in order.
// The origin of the url must be granted by [http] in the plugin's NAME.toml.
type Request struct {
	Method  string            // GET, HEAD, POST, PUT, PATCH or DELETE; empty means POST
	URL     string            // absolute, as in https://api.example.com/customers
	Headers map[string]string // without secrets
	Secrets map[string]string // header name to a template such as "Bearer {{secret.NAME}}"; inbox fills it in, and the plugin never sees the secret
	Body    []byte            // sent as it is
	JSON    any               // in place of Body: sent as JSON, with its content type
	Raw     bool              // in place of a body: the event's own bytes, with their content type and signature header
	Sign    *Signing          // nil: inbox does not sign the request
	Then    string            // name of an event that the final response becomes, granted by emit in NAME.toml; see [Event.Response]
}

// Signing is how a request is signed for its receiver, see [SignStandard] and [SignQoreID].
type Signing = abi.Signing

// SignStandard signs by Standard Webhooks 1.0.0, with a secret of the plugin's NAME.toml: whsec_ and 24 to 64 bytes in base64. Libraries
// of many languages verify it (https://www.standardwebhooks.com).
func SignStandard(secret string) *Signing { return &Signing{Scheme: abi.SignStandard, Secret: secret} }

// SignQoreID signs with the header that QoreID's webhooks have, so that a receiver of those verifies the request unchanged.
func SignQoreID(secret string) *Signing { return &Signing{Scheme: abi.SignQoreID, Secret: secret} }

// Send returns the answer with one more request. Requests are sent only with [Done] and [Skip], at most 32 of them with one answer,
// whose bodies have at most 1 MiB in all. A JSON value that cannot be encoded makes the answer a [Retry].
func (a Answer) Send(r Request) Answer {
	out, err := r.wire()
	if err != nil {
		return Retry("the SDK cannot encode a request: " + err.Error())
	}
	a.result.HTTP = append(slices.Clip(a.result.HTTP), out)
	return a
}

// wire returns the request as it goes to inbox.
func (r *Request) wire() (abi.Request, error) {
	out := abi.Request{Method: r.Method, URL: r.URL, Headers: r.Headers, Secrets: r.Secrets, BodyBase64: r.Body, Raw: r.Raw, Sign: r.Sign, Then: r.Then}
	if out.Method == "" {
		out.Method = "POST"
	}
	if r.JSON != nil {
		text, err := json.Marshal(r.JSON)
		if err != nil {
			return out, err
		}
		if text[0] == '"' { // a text would be sent without its quotation marks
			out.BodyBase64, out.Headers = text, withJSON(r.Headers)
		} else {
			out.Body, out.Headers = text, withJSON(r.Headers)
		}
	}
	return out, nil
}

// withJSON returns headers with the content type of JSON, unless they have one.
func withJSON(headers map[string]string) map[string]string {
	out := map[string]string{"Content-Type": "application/json"}
	for name, value := range headers {
		if strings.EqualFold(name, "Content-Type") {
			delete(out, "Content-Type")
		}
		out[name] = value
	}
	return out
}

// Requests returns the requests of the answer as they go to inbox, for tests.
func (a Answer) Requests() []abi.Request { return a.result.HTTP }
