package qoreid_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

const secret = "whsec_inbox_test_1"

// golden are signatures made by another implementation.
var golden = map[string]string{
	"{}":          "5a3fe4e880a0ed813438b0705327c3855d933007b83084dfd9ef329dd09cadbe1e94e5eaf6e60b0e5f54729df7bc86dca809e5803f76c4462411f4fd1a73ca85",
	"":            "14f9307a1b6e013e3322fcca302a216f73cbe970650b5cf9cdf9c7726248abf40d6d20c0464c67612a7d69545d3d63d934375cb66d6868fbd4cb9ce9eb411fc2",
	`{ "a": 1 }`:  "a712d103e73e7a19579a007d1edecfc64e3592248177cd535a9ffa689bb76183addd0a4e6c4e209b455dda7a12ec45e1b932bf81d7f72b51168519da8bdc6941",
	"{\"a\":1}\n": "8e9e1cb916b8a974355d075473c2213f94df7a6fe5261dca70747cbc3d7da42a14f4803725e6ff9fc270ec5060d5168c6a7f84bbae9dad2a6ee433dbe214d1d4",
	`{"event":"address","event_type":"verification_completed","data":{"id":1,"customerReference":"ref-1","status":{"status":"VERIFIED","subStatus":"VERIFIED","state":"COMPLETE"}}}`: "c118c39f5f130aef2ea3f56e0e3c7969804cf4124361e7539a8248c9810cdd2b076cd2f3d760ff9c99ba5e2110db001bce07ce393148fc4e2acac3b3be712dc8",
}

func secrets(keys ...string) []qoreid.Secret {
	var list []qoreid.Secret
	for i, k := range keys {
		list = append(list, qoreid.Secret{Name: string(rune('a' + i)), Key: []byte(k)})
	}
	return list
}

func TestTheGoldenVectorsPass(t *testing.T) {
	t.Parallel()
	for body, sig := range golden {
		if got := qoreid.Sign(qoreid.SHA512, []byte(secret), []byte(body)); got != sig {
			t.Errorf("%q signs as %s", body, got)
		}
		for _, written := range []string{sig, strings.ToUpper(sig), "  " + sig + "\t"} {
			if name, why := qoreid.Verify("", secrets("old", secret), written, []byte(body)); name != "b" || why != "" {
				t.Errorf("%q: secret %q, %s", body, name, why)
			}
		}
	}
}

func TestWhatDoesNotPassSaysWhy(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	good := golden["{}"]
	for name, c := range map[string]struct {
		sig     string
		keys    []string
		why     string
		explain string
	}{
		"no signature":            {"", []string{secret}, qoreid.Missing, "no signature"},
		"spaces":                  {"  ", []string{secret}, qoreid.Missing, "no signature"},
		"too short":               {good[:126], []string{secret}, qoreid.Malformed, "not hexadecimal"},
		"not hex":                 {"z" + good[1:], []string{secret}, qoreid.Malformed, "not hexadecimal"},
		"a prefix":                {"sha512=" + good, []string{secret}, qoreid.Malformed, "not hexadecimal"},
		"the length of sha256":    {good[:64], []string{secret}, qoreid.Malformed, "length of sha256"},
		"another secret":          {good, []string{"other"}, qoreid.Mismatch, "the secret is another one"},
		"no secret":               {good, nil, qoreid.NoSecret, "no secret"},
		"a newline in the secret": {good, []string{secret + "\n"}, qoreid.Mismatch, "space or a newline"},
		"a newline in the body":   {qoreid.Sign("", []byte(secret), []byte("{}\n")), []string{secret}, qoreid.Mismatch, "newline at its end"},
	} {
		if _, why := qoreid.Verify("", secrets(c.keys...), c.sig, body); why != c.why {
			t.Errorf("%s: %q, want %q", name, why, c.why)
		}
		if got := qoreid.Explain("", secrets(c.keys...), c.sig, body); !strings.Contains(got, c.explain) || strings.Contains(got, good) {
			t.Errorf("%s: %q, want …%s…", name, got, c.explain)
		}
	}
	if got := qoreid.Explain("", secrets(secret), good, body); got != "" {
		t.Errorf("a good signature is explained as %q", got)
	}
	if qoreid.Algorithm("md5").Valid() || !qoreid.SHA256.Valid() {
		t.Error("algorithms are told apart wrongly")
	}
}

func TestBodiesAreReadByTheRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		keyBy      qoreid.KeyBy
		want       inbox.View
	}{
		{"enveloped", `{"event":"workflow","event_type":"verification_completed","data":{"id":7,"customerReference":"r","status":{"status":"VERIFIED","subStatus":"OK","state":"COMPLETE"}}}`, "",
			inbox.View{Event: "workflow", EventType: "verification_completed", ExternalID: "7", Key: "q/workflow/7", CustomerReference: "r", Verdict: inbox.Passed, Status: "VERIFIED", State: "COMPLETE", SubStatus: "OK", Rank: 3}},
		{"address, whose status is inside", `{"event":"address","event_type":"verification_completed","data":{"id":7,"customerReference":"r","summary":null,"address":{"id":7,"isDuplicate":true,"status":{"status":"WRONG_ADDRESS","state":"COMPLETE"}}}}`, "",
			inbox.View{Event: "address", EventType: "verification_completed", ExternalID: "7", Key: "q/address/7", CustomerReference: "r", Verdict: inbox.Failed, Status: "WRONG_ADDRESS", State: "COMPLETE", Rank: 3, SaysDuplicate: true}},
		{"flat", `{"event":"identity","event_type":"verification_completed","id":"x1","summary":{},"status":{"status":"id_verified","state":"complete"},"nin":{}}`, "",
			inbox.View{Event: "identity", EventType: "verification_completed", ExternalID: "x1", Key: "q/identity/x1", Verdict: inbox.Passed, Status: "id_verified", State: "complete", Rank: 3}},
		{"legacy", `{"type":"address","data":{"reference":"VMN_1","status":{"status":"VERIFIED","subStatus":"VERIFIED","state":"COMPLETE"}}}`, "",
			inbox.View{Event: "address", EventType: "verification_completed", Key: "q/address/reference:VMN_1", Verdict: inbox.Passed, Status: "VERIFIED", State: "COMPLETE", SubStatus: "VERIFIED", Rank: 3}},
		{"legacy property with codes", `{"type":"property","data":{"id":3,"property":{"status":{"id":1,"code":"VERIFIED","stateCode":"COMPLETE"}}}}`, "",
			inbox.View{Event: "property", EventType: "verification_completed", ExternalID: "3", Key: "q/property/3", Verdict: inbox.Passed, Status: "VERIFIED", State: "COMPLETE", Rank: 3}},
		{"by reference", `{"event":"workflow","event_type":"verification_started","data":{"id":7,"customerReference":"r","status":{"status":"IN PROGRESS"}}}`, qoreid.ByReference,
			inbox.View{Event: "workflow", EventType: "verification_started", ExternalID: "7", Key: "q/ref:r", CustomerReference: "r", Verdict: inbox.Pending, Status: "IN PROGRESS", Rank: 0}},
		{"without an id", `{"event":"workflow","event_type":"step_verification_started","data":{"customerReference":"r"}}`, "",
			inbox.View{Event: "workflow", EventType: "step_verification_started", Key: "q/workflow/ref:r", CustomerReference: "r", Verdict: inbox.Unknown, Rank: 1}},
		{"verified but not complete", `{"event":"workflow","data":{"id":1,"status":{"status":"verified","state":"pending"}}}`, "",
			inbox.View{Event: "workflow", ExternalID: "1", Key: "q/workflow/1", Verdict: inbox.Unknown, Status: "verified", State: "pending", Rank: -1}},
		{"complete is not verified", `{"event":"identity","data":{"id":1,"status":{"status":"unverified","state":"complete"}}}`, "",
			inbox.View{Event: "identity", ExternalID: "1", Key: "q/identity/1", Verdict: inbox.Failed, Status: "unverified", State: "complete", Rank: -1}},
		{"an unknown status never fails", `{"event":"address","data":{"id":1,"status":{"status":"NO_ACCESS","state":"COMPLETE"}}}`, "",
			inbox.View{Event: "address", ExternalID: "1", Key: "q/address/1", Verdict: inbox.Unknown, Status: "NO_ACCESS", State: "COMPLETE", Rank: -1}},
		{"a status that is a string", `{"event":"address","data":{"id":1,"status":"not-verified"}}`, "",
			inbox.View{Event: "address", ExternalID: "1", Key: "q/address/1", Verdict: inbox.Failed, Status: "not-verified", Rank: -1}},
		{"a new event", `{"event":"passport","event_type":"renewed","data":{"id":"a b"}}`, "",
			inbox.View{Event: "passport", EventType: "renewed", ExternalID: "a b", Key: "q/passport/a b", Verdict: inbox.Unknown, Rank: -1}},
		{"a number beyond floats", `{"event":"x","data":{"id":12345678901234567890}}`, "",
			inbox.View{Event: "x", ExternalID: "12345678901234567890", Key: "q/x/12345678901234567890", Verdict: inbox.Unknown, Rank: -1}},
		{"duplicate keys: the last counts", `{"event":"a","event":"b","data":{"id":1},"data":{"id":2}}`, "",
			inbox.View{Event: "b", ExternalID: "2", Key: "q/b/2", Verdict: inbox.Unknown, Rank: -1}},
		{"keys are told apart by case", `{"Event":"a","event":"b","EVENT":"c","data":{"ID":9,"id":2}}`, "",
			inbox.View{Event: "b", ExternalID: "2", Key: "q/b/2", Verdict: inbox.Unknown, Rank: -1}},
		{"a byte order mark and spaces", "\xef\xbb\xbf \n{ \"event\" : \"a\\u0062\" , \"data\" : { \"id\" : 1 } }\n", "",
			inbox.View{Event: "ab", ExternalID: "1", Key: "q/ab/1", Verdict: inbox.Unknown, Rank: -1}},
		{"invalid UTF-8", "{\"event\":\"a\xff\",\"data\":{\"id\":1}}", "",
			inbox.View{Event: "a\ufffd", ExternalID: "1", Key: "q/a\ufffd/1", Verdict: inbox.Unknown, Rank: -1}},
		{"control characters", `{"event":"a\u001b[2J","data":{"id":"\u0000"}}`, "",
			inbox.View{Event: "a\ufffd[2J", ExternalID: "\ufffd", Key: "q/a\ufffd[2J/\ufffd", Verdict: inbox.Unknown, Rank: -1}},
		{"not JSON", `{"event":"a"`, "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
		{"an array", `[{"event":"a"}]`, "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
		{"an event that is no text", `{"event":{"a":1},"data":{"id":1}}`, "", inbox.View{Event: "unknown", ExternalID: "1", Verdict: inbox.Unknown, Rank: -1}},
		{"nested too deeply", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.NormVersion = qoreid.NormVersion
			got := qoreid.Read([]byte(c.body), qoreid.Rules{Source: "q", KeyBy: c.keyBy})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestALongTextIsCutButStaysItself(t *testing.T) {
	t.Parallel()
	read := func(id string) string {
		return qoreid.Read([]byte(`{"event":"x","data":{"id":"`+id+`"}}`), qoreid.Rules{Source: "q"}).Key
	}
	long := strings.Repeat("é", 5000)
	if a, b := read(long), read(long+"!"); a == b || len(a) > 300 || read(long) != a {
		t.Errorf("keys %q and %q", a, b)
	}
}

func TestASourceCanSayWhereThingsStand(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"tenancy","data":{"ref":{"no":"T-1"},"outcome":"EXACT_MATCH","phase":"complete","client":"c9"}}`)
	rules := qoreid.Rules{Source: "q", Maps: []qoreid.Map{
		{Event: "other", Status: "/data/phase"},
		{Event: "ten*", Key: "/data/ref/no", Status: "/data/outcome", State: "/data/phase", CustomerReference: "/data/client"},
		{Status: "/data/missing"},
	}}
	v := qoreid.Read(body, rules)
	if v.Key != "q/map:T-1" || v.Verdict != inbox.Passed || v.CustomerReference != "c9" {
		t.Errorf("%+v", v)
	}
}

func TestEverySampleReadsAsItsKind(t *testing.T) {
	t.Parallel()
	kinds := qoreid.Kinds()
	if len(kinds) != 13 {
		t.Fatalf("%d kinds", len(kinds))
	}
	for _, k := range kinds {
		body, err := qoreid.Sample(k, 4711, "ref-9")
		if err != nil {
			t.Fatal(err)
		}
		v := qoreid.Read(body, qoreid.Rules{Source: "q"})
		if v.Event != k.Event || v.EventType != k.EventType || v.ExternalID != "4711" || v.Status == "" {
			t.Errorf("%s reads as %+v", k, v)
		}
		if k.Event != "identity" && v.CustomerReference != "ref-9" {
			t.Errorf("%s: customer reference %q", k, v.CustomerReference)
		}
	}
	if body, err := qoreid.Sample(qoreid.Kind{Event: "workflow"}, 1, "r"); err != nil || !strings.Contains(string(body), `"verification_completed"`) {
		t.Errorf("the last of a workflow: %s, %v", body, err)
	}
	if _, err := qoreid.Sample(qoreid.Kind{Event: "nonsense"}, 1, "r"); inbox.KindOf(err) != inbox.Invalid || !strings.Contains(inbox.HintOf(err), "workflow/verification_started") {
		t.Errorf("%v, hint %q", err, inbox.HintOf(err))
	}
}

func TestSetEditsABody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, ptr, value, want string }{
		{`{"a":1}`, "/a", "2", `{"a":2}`},
		{`{"a":1}`, "/b/c", "text", `{"a":1,"b":{"c":"text"}}`},
		{`{"a":[1,2]}`, "/a/1", "true", `{"a":[1,true]}`},
		{`{"a":12345678901234567890}`, "/x~1y", "null", `{"a":12345678901234567890,"x/y":null}`},
	} {
		got, err := qoreid.Set([]byte(c.body), c.ptr, c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s=%s: %s, %v", c.body, c.ptr, c.value, got, err)
		}
	}
	for _, c := range []struct{ body, ptr string }{{`no`, "/a"}, {`{}`, "a"}, {`{"a":1}`, "/a/b"}, {`[1]`, "/3"}, {`[1]`, "/x"}} {
		if _, err := qoreid.Set([]byte(c.body), c.ptr, "1"); inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%s %s: %v", c.body, c.ptr, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for body, sig := range golden {
		f.Add(sig, []byte(body))
	}
	f.Fuzz(func(t *testing.T, sig string, body []byte) {
		name, why := qoreid.Verify("", secrets(secret), sig, body)
		right := qoreid.Sign("", []byte(secret), body)
		if (why == "") != strings.EqualFold(strings.TrimSpace(sig), right) || (why == "") != (name == "a") {
			t.Errorf("%q over %q: %q, %q", sig, body, name, why)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, k := range qoreid.Kinds() {
		body, _ := qoreid.Sample(k, 1, "r")
		f.Add(body)
	}
	f.Add([]byte(`{"event":"a\"\\","data":{"id":"\\\\\""},"x":["]","}"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		v := qoreid.Read(body, qoreid.Rules{Source: "q"})
		if v.Event == "" || v.Verdict == "" || len(v.Key) > 1000 {
			t.Errorf("%+v", v)
		}
		var root map[string]json.RawMessage
		if json.Unmarshal(body, &root) != nil {
			return
		}
		var event string
		if json.Unmarshal(root["event"], &event) == nil && event != "" && len(event) < 100 && !strings.ContainsFunc(event, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) && v.Event != event {
			t.Errorf("encoding/json reads the event %q, we read %q", event, v.Event)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body, _ := qoreid.Sample(qoreid.Kind{Event: "workflow"}, 1, "r")
	photo, err := qoreid.Set(body, "/data/nin/photo", strings.Repeat("A", 5<<20))
	if err != nil {
		b.Fatal(err)
	}
	for name, body := range map[string][]byte{"1KB": body, "5MB": photo} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				qoreid.Read(body, qoreid.Rules{Source: "q"})
			}
		})
	}
}
