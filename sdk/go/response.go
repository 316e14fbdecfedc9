package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Response is the final response to a [Request]: the body of the event that the request named by Then, or the answer of [Fetch].
type Response struct {
	Outcome   string            `json:"outcome"` // with Then: ResponseDone, the receiver took the request, or ResponseDead, inbox sends it no more by itself
	Status    int               `json:"status"`  // 0: no response came, see Error
	Headers   map[string]string `json:"headers"` // the kept ones, with names in lower case
	Body      json.RawMessage   `json:"body"`    // the JSON of a body of type application/json, else the text as JSON; empty without one, or when it is not UTF-8
	Bytes     []byte            `json:"body_base64"`
	Truncated bool              `json:"truncated"` // the body was longer than what is kept: 64 KiB, or 256 KiB of Fetch
	Error     string            `json:"error"`     // why no response came
	Request   struct {          // with Then
		Index  int    `json:"index"` // of the request in its answer, from 0
		Method string `json:"method"`
		Origin string `json:"origin"` // scheme, host and port of its url
	} `json:"request"`
}

// Outcomes of a [Response].
const (
	ResponseDone = "done"
	ResponseDead = "dead"
)

// Response reads the response that the event is. It returns an error for an event that is no response.
func (e *Event) Response() (*Response, error) {
	var r Response
	if err := e.Decode(&r); err != nil {
		return nil, err
	}
	if r.Outcome != ResponseDone && r.Outcome != ResponseDead {
		return nil, fmt.Errorf("event %s: %w", e.ID, errors.New("its body is no response to a request"))
	}
	return &r, nil
}
