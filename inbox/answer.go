package inbox

import (
	"encoding/json"
	"mime"
	"strings"
	"unicode/utf8"
)

// answer is a response in the form in which plugins get it.
type answer struct {
	Status     *int              `json:"status"` // null: no response came
	Headers    map[string]string `json:"headers"`
	Body       json.RawMessage   `json:"body,omitempty"`        // the JSON value of a body of type application/json, else the text
	BodyBase64 []byte            `json:"body_base64,omitempty"` // in place of Body when that is not UTF-8
	Truncated  bool              `json:"truncated"`             // the body was longer than what is kept
	Error      string            `json:"error,omitempty"`       // without a response: why, in the host's words

	Outcome string         `json:"outcome,omitempty"` // of a request of http: done or dead
	Request *answerRequest `json:"request,omitempty"`
}

// answerRequest tells a plugin which of its requests was answered.
type answerRequest struct {
	Index  int    `json:"index"` // in the http of its result, from 0
	Method string `json:"method"`
	Origin string `json:"origin"`
}

// AnswerDocument returns a response as the JSON object that a plugin gets: status, headers, body or body_base64, and truncated.
func AnswerDocument(r *Response) []byte {
	a := answerOf(r)
	return a.encode()
}

// Answered returns the event that the end of an effect becomes: the event that its request named by then, when the effect is done or
// dead. It returns nil for an effect without then, and for one that is tried again. A dead effect emits too, so that a plugin that
// waits for the answer goes on; when an operator retries it, its next end emits once more.
func Answered(e *Effect, s *Sent, fate Fate) *Emission {
	if e.Then == "" || fate == Again {
		return nil
	}
	a := answer{Headers: map[string]string{}, Error: s.Why}
	if s.Response != nil {
		a = answerOf(s.Response)
	}
	a.Outcome = string(fate)
	a.Request = &answerRequest{Index: e.Cause.Index, Method: e.Method, Origin: e.Lane.Origin}
	return &Emission{Event: e.Then, Body: a.encode()}
}

func answerOf(r *Response) answer {
	a := answer{Status: &r.Status, Headers: map[string]string{}, Truncated: r.Cut}
	for _, h := range r.Headers {
		a.Headers[h.Name] = JoinValues(a.Headers[h.Name], h.Value)
	}
	switch {
	case len(r.Body) == 0:
	case !r.Cut && isJSON(a.Headers["content-type"]) && utf8.Valid(r.Body) && json.Valid(r.Body):
		a.Body = r.Body
	case utf8.Valid(r.Body):
		a.Body, _ = json.Marshal(string(r.Body)) // a string never fails
	default:
		a.BodyBase64 = r.Body
	}
	return a
}

// isJSON reports whether a content type is application/json, or one of the types that end in +json (RFC 6839).
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

func (a *answer) encode() []byte {
	text, err := json.Marshal(a)
	if err != nil { // only Body could fail, and it is valid JSON
		a.Body = nil
		text, _ = json.Marshal(a)
	}
	return text
}
