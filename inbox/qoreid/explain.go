package qoreid

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Explain returns why a signature does not pass, in words for the person that set up the secret. It never contains the right
// signature or a part of the secret. It recognises the usual mistakes by trying them. It returns an empty string for a
// signature that passes.
func Explain(a Algorithm, secrets []Secret, signature string, body []byte) string {
	if a == "" {
		a = DefaultAlgorithm
	}
	_, why := Verify(a, secrets, signature, body)
	switch why {
	case "":
		return ""
	case Missing:
		return "there is no signature: the request did not come from QoreID, or a proxy drops the header"
	case NoSecret:
		return "the source has no secret to check with"
	case Malformed:
		return malformed(a, secrets, strings.TrimSpace(signature), body)
	}
	if says := mistaken(a, secrets, signature, body); says != "" {
		return says
	}
	return "no secret of the source made this signature: the secret is another one, or the body differs from the signed one"
}

// malformed explains a signature that no secret could have made.
func malformed(a Algorithm, secrets []Secret, signature string, body []byte) string {
	other := SHA256
	if a == SHA256 {
		other = SHA512
	}
	for _, of := range []Algorithm{a, other} {
		core, around := digits(of, signature)
		if core == "" {
			continue
		}
		var says []string
		if around != "" {
			says = append(says, fmt.Sprintf("the signature has %q beside its hexadecimal digits: QoreID sends the digits alone", around))
		}
		if of != a {
			says = append(says, fmt.Sprintf("the signature has the length of %s, not of %s: set the source's algorithm", other, a))
		}
		return strings.Join(append(says, asSuch(of, secrets, core, body)), "; ")
	}
	for _, of := range []Algorithm{a, other} {
		if sum := unbase64(signature); len(sum) == of.size() {
			says := "the signature is base64, not hexadecimal: this is not how QoreID signs"
			if of != a {
				says += fmt.Sprintf("; it has the length of %s, not of %s", other, a)
			}
			return says + "; " + asSuch(of, secrets, hex.EncodeToString(sum), body)
		}
	}
	return "the signature is not hexadecimal digits of the right number"
}

// digits returns the hexadecimal digits of a signature, if it has a row of the algorithm's length, and the text around them.
func digits(a Algorithm, signature string) (core, around string) {
	const longest = 40
	isHex := func(r rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF", r) }
	begin := -1
	for i, r := range signature + "\n" {
		switch {
		case isHex(r) && begin < 0:
			begin = i
		case !isHex(r) && begin >= 0:
			if i-begin == 2*a.size() {
				around = strings.Join(strings.Fields(signature[:begin]+" "+signature[i:]), " ")
				if text := []rune(around); len(text) > longest {
					around = string(text[:longest]) + "…"
				}
				return signature[begin:i], inbox.Printable(around)
			}
			begin = -1
		}
	}
	return "", ""
}

// unbase64 decodes both base64 alphabets, with or without padding. It returns nil for other texts.
func unbase64(text string) []byte {
	_, after, listed := strings.Cut(text, ",") // "v1,BASE64"
	if !listed {
		after = text
	}
	after = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(after), "="))
	raw, err := base64.RawStdEncoding.DecodeString(after)
	if err != nil {
		return nil
	}
	return raw
}

// asSuch returns whether the decoded signature would pass, in words.
func asSuch(a Algorithm, secrets []Secret, core string, body []byte) string {
	_, why := Verify(a, secrets, core, body)
	switch {
	case why == "":
		return "apart from that it passes"
	case why == Mismatch && mistaken(a, secrets, core, body) != "":
		return mistaken(a, secrets, core, body)
	}
	return "apart from that it does not pass either"
}

// mistaken tries the usual mistakes, first those with the secrets and then those with the body. It returns an empty string when
// none of them explains the signature.
func mistaken(a Algorithm, secrets []Secret, signature string, body []byte) string {
	passes := func(key, body []byte) bool {
		_, why := Verify(a, []Secret{{Key: key}}, signature, body)
		return why == ""
	}
	for _, s := range secrets {
		for _, m := range misreadSecrets() {
			if key := m.read(s.Key); key != nil && !bytes.Equal(key, s.Key) && passes(key, body) {
				return "secret " + s.Name + " " + m.says
			}
		}
	}
	for _, m := range misreadBodies() {
		if len(body) > m.most {
			continue
		}
		signed := m.read(body)
		if signed == nil || bytes.Equal(signed, body) {
			continue
		}
		for _, s := range secrets {
			if passes(s.Key, signed) {
				return m.says
			}
		}
	}
	return ""
}
