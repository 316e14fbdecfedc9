package egress

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"inbox/inbox"
)

// The headers of signatures.
const (
	standardID        = "Webhook-Id"
	standardTime      = "Webhook-Timestamp"
	standardSignature = "Webhook-Signature"

	// qoreidSignature and the one line that computes it are written here again: packages beside the line do not import each
	// other. A test compares them with package qoreid.
	qoreidSignature = "X-Verifyme-Signature"
)

// sign adds the signature of the body. id is the idempotency key, which stays the same over retries; now is the time of this
// attempt.
func (c *Client) sign(x *exchange, how inbox.Signing, id string, now time.Time) error {
	switch how.Scheme {
	case "":
		return nil
	case inbox.SignStandard, inbox.SignQoreID:
	default:
		return inbox.Errorf(inbox.Invalid, "", "sign: the scheme %s is neither %s nor %s", quoted(string(how.Scheme)), inbox.SignStandard, inbox.SignQoreID)
	}
	if !secretName(how.Secret) {
		return inbox.Errorf(inbox.Invalid, "", "sign: %s is not the name of a secret", quoted(how.Secret))
	}
	s, err := c.secret(how.Secret, x.origin)
	if err != nil {
		return err
	}
	add := func(name, value string) {
		x.addSecret(secretHeader{name: name, value: func() string { return value }, secrets: []Secret{s}, ofBody: true})
	}
	if how.Scheme == inbox.SignQoreID {
		delete(x.header, qoreidSignature) // of a raw request: the event's own signature, which another secret made
		mac := hmac.New(sha512.New, []byte(s.reveal()))
		mac.Write(x.body)
		add(qoreidSignature, hex.EncodeToString(mac.Sum(nil)))
		return nil
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	signature, err := standard(s, id, stamp, x.body)
	if err != nil {
		return err
	}
	add(standardID, id)
	add(standardTime, stamp)
	add(standardSignature, signature)
	return nil
}

// standard returns the header webhook-signature of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com, "Signature scheme"):
// "v1," and the HMAC-SHA256 of id.timestamp.body in base64, for each key of the secret. A secret may hold several keys with
// spaces between them, while a receiver changes from one to the next. A key is 24 to 64 bytes in base64, with or without
// the prefix whsec_. The id must not have a dot, or one message could be read as another.
func standard(s Secret, id, stamp string, body []byte) (string, error) {
	if id == "" || strings.Contains(id, ".") {
		return "", inbox.Errorf(inbox.Internal, "", "a signature needs an idempotency key without dots")
	}
	var all []string
	for text := range strings.FieldsSeq(s.reveal()) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 {
			return "", inbox.Errorf(inbox.Invalid, "", "secret %s is no key for Standard Webhooks", s.Name).WithHint(
				"it must be 24 to 64 bytes in base64, as in whsec_…; make one with: echo whsec_$(openssl rand -base64 32)")
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if len(all) == 0 {
		return "", inbox.Errorf(inbox.Invalid, "", "secret %s is blank", s.Name)
	}
	return strings.Join(all, " "), nil
}
