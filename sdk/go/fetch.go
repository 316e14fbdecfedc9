package sdk

import (
	"encoding/json"
	"errors"
	"fmt"

	"inbox/sdk/abi"
)

// ErrRequest says that a request can never be sent: its url, method, headers or body are not valid. The log of the attempt says what
// is wrong.
var ErrRequest = errors.New("the request is not valid; the log of the attempt says why")

// Fetch sends a request and waits for its response, so that a plugin asks before it decides. It needs the grant [http], as requests of
// [Answer.Send] do. Raw and Then must be empty, and an empty method means GET, or POST with a body.
//
// A response of any status is no error. When none came, the response has the status 0 and an Error that says why: the plugin may answer
// [Retry]. Fetch has the time that the attempt has left, which [limits] time in NAME.toml bounds; a server that takes longer ends the
// attempt. So does a request that is not granted. Fetch returns [ErrRequest], [ErrQuota] (16 calls in an attempt, 4 MiB of responses),
// or an error of the encoding.
//
// A crash or a retry asks again: a request that changes something belongs to [Answer.Send]. In a plugin that is built natively, such
// as a test, [AnswerFetches] says what Fetch returns.
func Fetch(r Request) (*Response, error) {
	if r.Method == "" && r.Body == nil && r.JSON == nil {
		r.Method = "GET"
	}
	out, err := r.wire()
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	var w writer
	w.request(&out)
	text, code := httpFetch(w.b, &out)
	switch {
	case code >= 0:
	case code == abi.ErrEntry:
		return nil, fmt.Errorf("fetch: %w", ErrRequest)
	case code == abi.ErrQuota, code == abi.ErrTooLarge:
		return nil, fmt.Errorf("fetch: %w", ErrQuota)
	default:
		return nil, fmt.Errorf("fetch: the host answered %d", code)
	}
	var response Response
	if err := json.Unmarshal(text, &response); err != nil {
		return nil, fmt.Errorf("fetch: read the answer: %w", err)
	}
	return &response, nil
}

// Decode decodes the JSON body of the response into v, which is a pointer as for [json.Unmarshal].
func (r *Response) Decode(v any) error {
	if len(r.Body) == 0 {
		return errors.New("the response has no JSON body")
	}
	return json.Unmarshal(r.Body, v)
}
