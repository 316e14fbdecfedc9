package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"inbox/inbox"
	"inbox/inbox/egress"
	"inbox/inbox/rawjson"
	"inbox/sdk/abi"
)

// keepRequests adds the http of a result to its outcome. Whether they are granted, [outside.check] says.
func keepRequests(out *inbox.Outcome, list json.RawMessage) *inbox.Outcome {
	bad := func(f inbox.Outcome) *inbox.Outcome { return &f }
	if list[0] != '[' {
		return bad(failure(inbox.BadResult, "its http is %s and not a list of requests", kindOf(list)))
	}
	var entries []json.RawMessage
	for _, at := range rawjson.Elements(list) {
		entries = append(entries, at.Of(list))
	}
	if len(entries) > inbox.MaxRequests {
		return bad(failure(inbox.Output, "its http has %d requests; a result has at most %d", len(entries), inbox.MaxRequests))
	}
	size := 0
	var requests []inbox.Outgoing
	for i, entry := range entries {
		r, why := requestOf(entry)
		if why != "" {
			return bad(quoted(failure(inbox.BadResult, "its http[%d] %s", i, why), entry))
		}
		if size += len(r.Body); size > inbox.MaxRequestBodies {
			return bad(failure(inbox.Output, "the bodies of its http have more than %d bytes in all", inbox.MaxRequestBodies))
		}
		requests = append(requests, inbox.Outgoing{Request: r})
	}
	if len(requests) == 0 {
		return nil
	}
	if out.Effects == nil {
		out.Effects = &inbox.Effects{}
	}
	out.Effects.Requests = requests
	return nil
}

// requestOf reads one entry of http. why, in the host's words, says what is wrong with it.
func requestOf(entry json.RawMessage) (r inbox.Request, why string) {
	var in abi.Request
	rest, body := cutBody(entry)
	dec := json.NewDecoder(bytes.NewReader(rest))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return r, "is not a request of the contract: an object with method, url, headers, secrets, body, body_base64, raw, sign and then"
	}
	if body != nil {
		in.Body = body
	}
	if why = wrongMembers(&in); why != "" {
		return r, why
	}
	r = inbox.Request{Method: in.Method, URL: in.URL, Secrets: in.Secrets, Raw: in.Raw, Body: in.BodyBase64, Then: in.Then}
	if in.Sign != nil {
		r.Sign = inbox.Signing{Scheme: inbox.SignScheme(in.Sign.Scheme), Secret: in.Sign.Secret}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Headers)) {
		r.Headers = append(r.Headers, inbox.Header{Name: name, Value: in.Headers[name]})
	}
	if !isSet(in.Body) {
		return r, ""
	}
	var text string
	if textOf(in.Body, &text) {
		r.Body = []byte(text)
		return r, ""
	}
	r.Body = bytes.Clone(in.Body)
	if !hasContentType(in.Headers) {
		r.Headers = append(r.Headers, inbox.Header{Name: "Content-Type", Value: "application/json"})
	}
	return r, ""
}

// cutBody returns an entry with null in place of its body, and the body: nil without one. Bodies are long, and the decoder reads
// every byte several times. Like the decoder it takes a name in any letters, and the last of several bodies.
func cutBody(entry json.RawMessage) (rest, body json.RawMessage) {
	rest, done := make(json.RawMessage, 0, 256), 0
	for name, at := range rawjson.Members(entry) {
		if bytes.EqualFold(name, []byte("body")) {
			body = at.Of(entry)
			rest = append(append(rest, entry[done:at.From]...), "null"...)
			done = at.To
		}
	}
	return append(rest, entry[done:]...), body
}

// wrongMembers returns what is wrong with the members of a request, in the host's words; else "".
func wrongMembers(in *abi.Request) string {
	switch {
	case in.Method == "" || in.URL == "":
		return "has no method or no url"
	case in.Raw && (isSet(in.Body) || in.BodyBase64 != nil):
		return "has raw, which sends the event's own bytes, and a body"
	case isSet(in.Body) && in.BodyBase64 != nil:
		return "has body and body_base64"
	case in.Sign != nil && in.Sign.Scheme == "":
		return "has sign without a scheme"
	case in.Then != "":
		if problem := (&inbox.Emission{Event: in.Then}).Problem(); problem != "" {
			return "has then, which " + problem
		}
	}
	return ""
}

func hasContentType(headers map[string]string) bool {
	for name := range headers {
		if len(name) == len("content-type") && bytes.EqualFold([]byte(name), []byte("content-type")) {
			return true
		}
	}
	return false
}

// outside is the way of a release to servers.
type outside struct {
	client *egress.Client // checks requests against the grants; it opens no socket and knows no secret
	sender *egress.Client // sends fetches; nil when the module has none, or the host opens no connections
}

// standIn replaces every secret in the checks. Like a real one it may be part of a header and be a key of Standard Webhooks.
const standIn = "whsec_aW5ib3ggY2hlY2tzIHJlcXVlc3RzIHdpdGggdGhpcyBvbmU="

// newOutside returns the way outside of a manifest, with a sender if the module fetches. The error is Invalid: the CA file that the
// manifest names cannot be used.
func (h *Host) newOutside(grants *inbox.HTTP, fetches bool) (*outside, error) {
	grant, secrets, err := egress.GrantOf(grants)
	if err != nil {
		return nil, err
	}
	known := map[string]egress.Secret{}
	for name, origins := range secrets {
		known[name] = egress.NewSecret(name, standIn, origins)
	}
	client, err := egress.New(grant, egress.Options{Secret: func(name string) (egress.Secret, bool) {
		s, ok := known[name]
		return s, ok
	}})
	if err != nil {
		return nil, err
	}
	o := &outside{client: client}
	if fetches && h.client != nil {
		if o.sender, err = h.client(grants); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// close closes the connections. o may be nil.
func (o *outside) close() {
	if o != nil && o.sender != nil {
		o.sender.Close()
	}
}

// check sets the origins of requests. It returns a failure when one of them is not granted or cannot be sent.
func (o *outside) check(requests []inbox.Outgoing) *inbox.Outcome {
	for i := range requests {
		r := &requests[i]
		if err := o.client.Check(egress.Call{Request: r.Request, IdempotencyKey: "check"}); err != nil {
			out := refusal(i, r, err)
			return &out
		}
		r.Origin = originOf(r.URL)
	}
	return nil
}

// refusal returns the outcome for a request that may not or cannot be sent. What is not granted is no bad result: an operator
// mends it, and the next attempt asks for it again.
func refusal(i int, r *inbox.Outgoing, err error) inbox.Outcome {
	switch {
	case errors.Is(err, egress.ErrNotGranted):
		return failure(inbox.Denied, "its http[%d] asks for %s, which is not granted; [http] allow in its NAME.toml grants it", i, originOf(r.URL))
	case inbox.KindOf(err) == inbox.Forbidden:
		return quoted(failure(inbox.Denied, "its http[%d] asks for what is not granted", i), []byte(err.Error()))
	}
	return quoted(failure(inbox.BadResult, "its http[%d] cannot be sent", i), []byte(err.Error()))
}

// originOf returns the origin of a url that was checked.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	o, err := egress.ParseOrigin(fmt.Sprintf("%s://%s", u.Scheme, u.Host))
	if err != nil {
		return ""
	}
	return o.String()
}
