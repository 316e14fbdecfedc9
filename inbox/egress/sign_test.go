package egress_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"inbox/inbox"
	"inbox/inbox/egress"
	"inbox/inbox/qoreid"
)

func signed(url, body string, scheme inbox.SignScheme, secret string) egress.Call {
	call := post(url, body)
	call.IdempotencyKey = "msg_1"
	call.Request.Sign = inbox.Signing{Scheme: scheme, Secret: secret}
	return call
}

func TestAStandardWebhookVerifiesWithEachKeyOfItsSecret(t *testing.T) {
	t.Parallel()
	var got http.Header
	var body []byte
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, _ = io.ReadAll(r.Body)
	})
	keys := [][]byte{bytes.Repeat([]byte{1}, 24), bytes.Repeat([]byte{2}, 64)}
	secret := "whsec_" + base64.StdEncoding.EncodeToString(keys[0]) + "  " + base64.StdEncoding.EncodeToString(keys[1])
	c := client(t, egress.Options{Secret: vault(t, url, "hook", secret)}, url)
	before := time.Now().Unix()
	do(t, c, signed(url, `{"type":"x"}`, inbox.SignStandard, "hook"))
	stamp, err := strconv.ParseInt(got.Get("webhook-timestamp"), 10, 64)
	if err != nil || stamp < before || stamp > time.Now().Unix() {
		t.Errorf("timestamp %d, %v", stamp, err)
	}
	if got.Get("webhook-id") != "msg_1" || got.Get("Idempotency-Key") != "msg_1" {
		t.Error(got)
	}
	list := strings.Split(got.Get("webhook-signature"), " ")
	if len(list) != 2 {
		t.Fatal(list)
	}
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("msg_1." + strconv.FormatInt(stamp, 10) + "." + string(body)))
		if list[i] != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %d is %s", i, list[i])
		}
	}
}

// The vector is the one of the reference libraries (https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries).
func TestAStandardSignatureIsThatOfTheReferenceLibrary(t *testing.T) {
	t.Parallel()
	s := egress.NewSecret("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", nil)
	got, err := egress.Standard(s, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if err != nil || got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAQoreIDSignatureVerifiesAsOneOfQoreID(t *testing.T) {
	t.Parallel()
	var why string
	key := []qoreid.Secret{{Name: "shared", Key: []byte("shared with the receiver")}}
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, why = qoreid.Verify(qoreid.DefaultAlgorithm, key, r.Header.Get(qoreid.DefaultHeader), body)
	})
	c := client(t, egress.Options{Secret: vault(t, url, "shared", string(key[0].Key))}, url)
	for _, body := range []string{`{"a":1}`, ""} {
		call := signed(url, body, inbox.SignQoreID, "shared")
		do(t, c, call)
		if why != "" {
			t.Errorf("%q: %s", body, why)
		}
		call.Original = []inbox.Header{{Name: "x-verifyme-signature", Value: "ab"}} // of a raw request: it is replaced
		do(t, c, call)
		if why != "" {
			t.Errorf("%q with the event's own signature: %s", body, why)
		}
	}
}

func TestSignaturesThatCannotBeMadeAreRefused(t *testing.T) {
	t.Parallel()
	const url, elsewhere = "http://localhost:9000", "http://localhost:9001"
	c := client(t, egress.Options{Secret: vault(t, url, "hook", "whsec_"+strings.Repeat("A", 32), "text", "this is no key", "short", "whsec_AAAA", "blank", "  ")}, url, elsewhere)
	fails(t, c, signed(url, "x", "rot13", "hook"), inbox.Invalid, nil, "scheme")
	fails(t, c, signed(url, "x", inbox.SignStandard, ""), inbox.Invalid, nil, "name of a secret")
	fails(t, c, signed(url, "x", inbox.SignStandard, "other"), inbox.Forbidden, egress.ErrSecret, "other")
	fails(t, c, signed(elsewhere, "x", inbox.SignStandard, "hook"), inbox.Forbidden, egress.ErrSecret, elsewhere)
	for _, name := range []string{"text", "short", "blank"} {
		fails(t, c, signed(url, "x", inbox.SignStandard, name), inbox.Invalid, nil, "secret "+name)
	}
	for _, key := range []string{"", "a.b"} {
		call := signed(url, "x", inbox.SignStandard, "hook")
		call.IdempotencyKey = key
		fails(t, c, call, inbox.Internal, nil, "idempotency key")
	}
}
