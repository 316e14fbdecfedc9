package qoreid_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

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
		{"an event that is no text", `{"event":{"a":1},"data":{"id":1}}`, "", inbox.View{Event: "unknown", ExternalID: "1", Key: "q/unknown/1", Verdict: inbox.Unknown, Rank: -1}},
		{"an event that is a number", `{"event":5,"type":7,"data":{}}`, "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
		{"JSON without an event", `{"id":5,"customerReference":"r"}`, "", inbox.View{Event: "unknown", ExternalID: "5", CustomerReference: "r", Key: "q/unknown/5", Verdict: inbox.Unknown, Rank: -1}},
		{"an empty event beside a type", `{"event":"","type":"address","data":{"id":"5"}}`, "", inbox.View{Event: "address", EventType: "verification_completed", ExternalID: "5", Key: "q/address/5", Verdict: inbox.Unknown, Rank: 3}},
		{"a type that has an event type", `{"type":"address","event_type":"VERIFICATION-STARTED","data":{"id":5}}`, "", inbox.View{Event: "address", EventType: "VERIFICATION-STARTED", ExternalID: "5", Key: "q/address/5", Verdict: inbox.Unknown, Rank: 0}},
		{"a type without data", `{"type":"ping"}`, "", inbox.View{Event: "ping", Verdict: inbox.Unknown, Rank: -1}},
		{"data that is no object", `{"event":"address","data":[1],"id":3,"status":"VERIFIED","state":"COMPLETE"}`, "", inbox.View{Event: "address", ExternalID: "3", Key: "q/address/3", Verdict: inbox.Passed, Status: "VERIFIED", State: "COMPLETE", Rank: -1}},
		{"a state of the country is no state", `{"type":"address","data":{"id":1,"state":"Lagos","status":"VERIFIED"}}`, "", inbox.View{Event: "address", EventType: "verification_completed", ExternalID: "1", Key: "q/address/1", Verdict: inbox.Unknown, Status: "VERIFIED", Rank: 3}},
		{"a state without a status", `{"event":"workflow","data":{"id":1,"status":{"state":"COMPLETE"}}}`, "", inbox.View{Event: "workflow", ExternalID: "1", Key: "q/workflow/1", Verdict: inbox.Unknown, State: "COMPLETE", Rank: -1}},
		{"a product's own id, when there is nothing else", `{"event":"property","data":{"property":{"id":8,"isDuplicate":"true"}}}`, "", inbox.View{Event: "property", Key: "q/property/8", Verdict: inbox.Unknown, Rank: -1, SaysDuplicate: true}},
		{"a legacy status in figures, with a label in words", `{"type":"property","data":{"id":1,"status":{"code":"2","label":"Verified","stateCode":"9","stateLabel":"Complete"}}}`, "", inbox.View{Event: "property", EventType: "verification_completed", ExternalID: "1", Key: "q/property/1", Verdict: inbox.Passed, Status: "Verified", State: "Complete", Rank: 3}},
		{"a legacy status whose label is a sentence", `{"type":"property","data":{"id":1,"status":{"label":"It was not found","code":"NO_MATCH","stateLabel":"All is done"}}}`, "", inbox.View{Event: "property", EventType: "verification_completed", ExternalID: "1", Key: "q/property/1", Verdict: inbox.Failed, Status: "NO_MATCH", State: "All is done", Rank: 3}},
		{"nulls are nothing", `{"event":"address","event_type":null,"data":{"id":null,"customerReference":null,"reference":null,"status":null,"isDuplicate":null}}`, "", inbox.View{Event: "address", Verdict: inbox.Unknown, Rank: -1}},
		{"by reference without one", `{"event":"identity","data":{"id":4}}`, qoreid.ByReference, inbox.View{Event: "identity", ExternalID: "4", Key: "q/identity/4", Verdict: inbox.Unknown, Rank: -1}},
		{"a reference at the root", `{"event":"workflow","customerReference":"top","data":{"id":4}}`, qoreid.ByReference, inbox.View{Event: "workflow", ExternalID: "4", CustomerReference: "top", Key: "q/ref:top", Verdict: inbox.Unknown, Rank: -1}},
		{"values after the JSON", `{"event":"a"} {}`, "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
		{"nothing", ``, "", inbox.View{Event: "unknown", Verdict: inbox.Unknown, Rank: -1}},
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

func TestStatusWordsAreFoldedAndUnknownOnesHaveNoVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, state string
		want          inbox.Verdict
	}{
		{"VERIFIED", "COMPLETE", inbox.Passed},
		{" verified ", "Complete", inbox.Passed},
		{"ID-Verified", "COMPLETED", inbox.Passed},
		{"id verified", "complete", inbox.Passed},
		{"Exact_Match", "complete", inbox.Passed},
		{"EXACT MATCH", "IN_PROGRESS", inbox.Unknown},
		{"VERIFIED", "", inbox.Unknown},
		{"UNVERIFIED", "COMPLETE", inbox.Failed},
		{"not verified", "", inbox.Failed},
		{"No-Match", "complete", inbox.Failed},
		{"WRONG ADDRESS", "COMPLETE", inbox.Failed},
		{"Invalid-Address", "COMPLETE", inbox.Failed},
		{"IN PROGRESS", "IN_PROGRESS", inbox.Pending},
		{"in-progress", "COMPLETE", inbox.Pending},
		{"PENDING", "PENDING", inbox.Pending},
		{"PARTIAL_MATCH", "COMPLETE", inbox.Unknown},
		{"NO_ACCESS", "COMPLETE", inbox.Unknown},
		{"CANCELLED", "COMPLETE", inbox.Unknown},
		{"", "COMPLETE", inbox.Unknown},
		{"verifiedx", "COMPLETE", inbox.Unknown},
	} {
		body, err := json.Marshal(map[string]any{"event": "address", "data": map[string]any{"id": 1, "status": map[string]any{"status": c.status, "state": c.state}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := qoreid.Read(body, qoreid.Rules{}).Verdict; got != c.want {
			t.Errorf("%q in state %q is %s, want %s", c.status, c.state, got, c.want)
		}
	}
}

func TestTypesAreRankedByTheirPositionInAVerification(t *testing.T) {
	t.Parallel()
	for i, typ := range []string{"verification_started", "step_verification_started", "step_verification_completed", "verification_completed"} {
		if got := qoreid.Read([]byte(`{"event":"workflow","event_type":"`+typ+`"}`), qoreid.Rules{}).Rank; got != i {
			t.Errorf("%s has rank %d", typ, got)
		}
	}
}

func TestALongTextIsCutAndStaysDifferentFromOthers(t *testing.T) {
	t.Parallel()
	read := func(id string) string {
		return qoreid.Read([]byte(`{"event":"x","data":{"id":"`+id+`"}}`), qoreid.Rules{Source: "q"}).Key
	}
	long := strings.Repeat("é", 5000)
	if a, b := read(long), read(long+"!"); a == b || len(a) > 300 || read(long) != a {
		t.Errorf("keys %q and %q", a, b)
	}
}

func TestASourceCanMapFieldsToOtherPositions(t *testing.T) {
	t.Parallel()
	body := []byte("\xef\xbb\xbf" + `{"event":"tenancy","data":{"id":5,"ref":{"no":"T-1"},"outcome":["NO_MATCH","EXACT_MATCH"],"phase":"complete","client":"c9","none":null}}`)
	maps := []qoreid.Map{
		{Event: "other", Status: "/data/phase"},
		{Event: "ten*", Key: "/data/ref/no", Status: "/data/outcome/1", State: "/data/phase", CustomerReference: "/data/client"},
		{Status: "/data/missing", Key: "/data/none", State: "/data/ref", CustomerReference: "no pointer"},
	}
	v := qoreid.Read(body, qoreid.Rules{Source: "q", Maps: maps})
	want := inbox.View{
		Event: "tenancy", ExternalID: "5", Key: "q/tenancy/T-1", CustomerReference: "c9", Verdict: inbox.Passed,
		Status: "EXACT_MATCH", State: "complete", Rank: -1, NormVersion: qoreid.NormVersion,
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if v := qoreid.Read(body, qoreid.Rules{Source: "q", KeyBy: qoreid.ByReference, Maps: maps}); v.Key != "q/ref:c9" {
		t.Errorf("by the mapped reference the key is %q", v.Key)
	}
	if v := qoreid.Read([]byte(`{"who":7}`), qoreid.Rules{Source: "q", Maps: []qoreid.Map{{Key: "/who"}}}); v.Key != "q/unknown/7" {
		t.Errorf("a body without an event has the key %q", v.Key)
	}
}

func TestReadingALargeBodyCostsNoMoreMemoryThanASmallOne(t *testing.T) {
	// Not parallel: it counts allocations.
	small, err := qoreid.Sample(qoreid.Kind{Event: "identity"}, 1, "r")
	if err != nil {
		t.Fatal(err)
	}
	large, err := qoreid.Set(small, "/data/nin/photo", strings.Repeat("A", 5<<20))
	if err != nil {
		t.Fatal(err)
	}
	many := []byte(`{"event":"x","data":{` + strings.Repeat(`"a":[{"b":1}],`, 20_000) + `"id":1}}`)
	count := func(body []byte) float64 {
		return testing.AllocsPerRun(5, func() { qoreid.Read(body, qoreid.Rules{Source: "q"}) })
	}
	if s, l, m := count(small), count(large), count(many); l > s || m > s {
		t.Errorf("%v allocations for a small body, %v for a large one, %v for one of many members", s, l, m)
	}
}

func FuzzRead(f *testing.F) {
	for _, k := range qoreid.Kinds() {
		body, _ := qoreid.Sample(k, 1, "r")
		f.Add(body)
	}
	for body := range golden {
		f.Add([]byte(body))
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
