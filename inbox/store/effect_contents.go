package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"inbox/inbox"
)

// A request and a response are stored as the length of their head (uvarint), the head as JSON, and the body.

// requestHead is the head of a request.
type requestHead struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers []inbox.Header    `json:"headers,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"` // templates, which name the secrets and do not hold them
	Raw     bool              `json:"raw,omitempty"`
	Then    string            `json:"then,omitempty"`
	Scheme  inbox.SignScheme  `json:"sign,omitempty"`
	Secret  string            `json:"sign_secret,omitempty"`
}

// responseHead is the head of a response.
type responseHead struct {
	Headers []inbox.Header `json:"headers,omitempty"`
	Cut     bool           `json:"cut,omitempty"`
	Family  string         `json:"family,omitempty"`
	Hops    int            `json:"hops,omitempty"`
}

func packRequest(r *inbox.Request) ([]byte, error) {
	return pack(requestHead{r.Method, r.URL, r.Headers, r.Secrets, r.Raw, r.Then, r.Sign.Scheme, r.Sign.Secret}, r.Body)
}

func (c *content) request() (inbox.Request, error) {
	var h requestHead
	body, err := c.unpack(&h)
	return inbox.Request{
		Method: h.Method, URL: h.URL, Headers: h.Headers, Secrets: h.Secrets, Body: body, Raw: h.Raw, Then: h.Then,
		Sign: inbox.Signing{Scheme: h.Scheme, Secret: h.Secret},
	}, err
}

func packResponse(r *inbox.Response) ([]byte, error) {
	return pack(responseHead{r.Headers, r.Cut, r.Family, r.Hops}, r.Body)
}

// response returns a response without its status and duration, which are in the row of its try.
func (c *content) response() (*inbox.Response, error) {
	var h responseHead
	body, err := c.unpack(&h)
	return &inbox.Response{Headers: h.Headers, Body: body, Cut: h.Cut, Family: h.Family, Hops: h.Hops}, err
}

// pack encodes a head and a body as one value.
func pack(head any, body []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("encode the head: %w", err)
	}
	out := make([]byte, 0, binary.MaxVarintLen64+len(text)+len(body))
	out = binary.AppendUvarint(out, uint64(len(text)))
	return append(append(out, text...), body...), nil
}

// unpack checks the bytes, decodes the head, and returns the body.
func (c *content) unpack(head any) ([]byte, error) {
	b, err := c.open(encodingHeaded)
	if err != nil {
		return nil, err
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, inbox.ErrDamaged
	}
	if err := json.Unmarshal(b[used:used+int(n)], head); err != nil {
		return nil, fmt.Errorf("%w: %w", inbox.ErrDamaged, err)
	}
	return b[used+int(n):], nil
}
