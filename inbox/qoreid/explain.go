package qoreid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Explain says why a signature does not pass, in words for the person who set up the secret, and never tells the right
// signature or a part of the secret. It recognises the usual mistakes by trying them. Empty means that it passes.
func Explain(a Algorithm, secrets []Secret, signature string, body []byte) string {
	_, why := Verify(a, secrets, signature, body)
	switch why {
	case "":
		return ""
	case Missing:
		return "there is no signature: the request did not come from QoreID, or a proxy drops the header"
	case NoSecret:
		return "the source has no secret to check with"
	case Malformed:
		return malformed(a, strings.TrimSpace(signature))
	}
	for _, s := range secrets {
		if hint := mistaken(a, s, signature, body); hint != "" {
			return hint
		}
	}
	return "no secret of the source made this signature: the secret is another one, or the body is not byte for byte what was signed"
}

// malformed explains a signature that no secret could have made.
func malformed(a Algorithm, signature string) string {
	if a == "" {
		a = DefaultAlgorithm
	}
	other := SHA256
	if a == SHA256 {
		other = SHA512
	}
	if _, why := Verify(other, nil, signature, nil); why == NoSecret {
		return "the signature has the length of " + string(other) + ", not of " + string(a) + ": set the source's algorithm"
	}
	if raw, err := base64.StdEncoding.DecodeString(signature); err == nil && len(raw) == a.size() {
		return "the signature is base64, not hexadecimal: this is not how QoreID signs"
	}
	return "the signature is not hexadecimal digits of the right number"
}

// mistaken tries the usual mistakes with one secret.
func mistaken(a Algorithm, s Secret, signature string, body []byte) string {
	try := func(key, body []byte) bool {
		_, why := Verify(a, []Secret{{Key: key}}, signature, body)
		return why == ""
	}
	line := func(b []byte) []byte { return append(b[:len(b):len(b)], '\n') }
	var compact bytes.Buffer
	switch {
	case try(bytes.TrimSpace(s.Key), body), try(line(s.Key), body):
		return "secret " + s.Name + " has a space or a newline too many or too few at its end"
	case try(bytes.Trim(s.Key, `"'`), body):
		return "secret " + s.Name + " has quotation marks around it that do not belong to it"
	case try(s.Key, bytes.TrimSpace(body)), try(s.Key, line(body)):
		return "the body gained or lost a newline at its end: a proxy or a copy changed it"
	case json.Compact(&compact, body) == nil && try(s.Key, compact.Bytes()):
		return "the body was signed without the spaces it has now: a proxy or a copy reformatted it"
	}
	return ""
}
