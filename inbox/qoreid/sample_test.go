package qoreid_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
	"inbox/inbox/qoreid"
	"inbox/inbox/rawjson"
)

func TestThereIsASampleOfEveryDocumentedKind(t *testing.T) {
	t.Parallel()
	var got []string
	for _, k := range qoreid.Kinds() {
		got = append(got, k.String())
	}
	want := []string{
		"address/legacy", "address/verification_started", "address/verification_completed",
		"employment/verification_started", "employment/verification_completed",
		"guarantor/verification_started", "guarantor/verification_completed",
		"identity/flat", "identity/verification_completed",
		"property/legacy", "property/verification_started", "property/verification_completed",
		"workflow/verification_started", "workflow/step_verification_started", "workflow/step_verification_completed", "workflow/verification_completed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEverySampleReadsAsItsKind(t *testing.T) {
	t.Parallel()
	for _, k := range qoreid.Kinds() {
		body, err := qoreid.Sample(k, 123456, `ref "9" <é>`)
		if err != nil {
			t.Fatal(err)
		}
		again, err := qoreid.Sample(k, 123456, `ref "9" <é>`)
		if err != nil || string(again) != string(body) {
			t.Errorf("%s: another body for the same arguments, %v", k, err)
		}
		v := qoreid.Read(body, qoreid.Rules{Source: "q"})
		typ := k.EventType
		if typ == qoreid.Flat || typ == qoreid.Legacy {
			typ = "verification_completed"
		}
		if v.Event != k.Event || v.EventType != typ || v.Key != "q/"+k.Event+"/123456" || v.ExternalID != "123456" || v.Status == "" || v.State == "" {
			t.Errorf("%s reads as %+v", k, v)
		}
		hasReference := k.Event != "identity" && k.EventType != qoreid.Legacy
		if hasReference != (v.CustomerReference == `ref "9" <é>`) {
			t.Errorf("%s: customer reference %q", k, v.CustomerReference)
		}
		want := inbox.Pending
		switch {
		case k.Event == "guarantor" && typ == "verification_completed":
			want = inbox.Failed
		case typ == "verification_completed":
			want = inbox.Passed
		}
		if v.Verdict != want {
			t.Errorf("%s: %s, want %s", k, v.Verdict, want)
		}
		if !json.Valid(body) || strings.ContainsAny(string(body), "\n") || strings.Contains(string(body), "Sampleson") {
			t.Errorf("%s: %s", k, body)
		}
	}
}

func TestAnEventWithoutATypeIsTheLastOfItsLife(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"workflow", "address", "identity"} {
		body, err := qoreid.Sample(qoreid.ParseKind(event), 1, "r")
		v := qoreid.Read(body, qoreid.Rules{})
		if err != nil || v.Rank != 3 || !strings.Contains(string(body), `"event":`) {
			t.Errorf("%s: %s, %v", event, body, err)
		}
	}
	if body, err := qoreid.Sample(qoreid.ParseKind("address/legacy"), 1, "r"); err != nil || !strings.HasPrefix(string(body), `{"type":"address"`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestTheErrorForAKindWithoutASampleListsTheKinds(t *testing.T) {
	t.Parallel()
	_, err := qoreid.Sample(qoreid.Kind{Event: "nonsense"}, 1, "r")
	if inbox.KindOf(err) != inbox.Invalid || !strings.Contains(inbox.HintOf(err), "workflow/verification_started") {
		t.Errorf("%v, hint %q", err, inbox.HintOf(err))
	}
	_, err = qoreid.Sample(qoreid.ParseKind("adress/verification_started"), 1, "r")
	if !strings.Contains(inbox.HintOf(err), "did you mean address/verification_started?") {
		t.Errorf("%v, hint %q", err, inbox.HintOf(err))
	}
}

func TestFreshIdsAreFresh(t *testing.T) {
	t.Parallel()
	ids, references := map[int64]bool{}, map[string]bool{}
	for range 1000 {
		id, reference := qoreid.Fresh()
		if ids[id] || references[reference] || id < 1e11 || id >= 1e12 || len(reference) != 15 {
			t.Fatalf("%d, %q", id, reference)
		}
		ids[id], references[reference] = true, true
	}
}

func TestSetChangesOneValueAndKeepsAllOtherBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, ptr, value, want string }{
		{`{"a":1}`, "/a", "2", `{"a":2}`},
		{`{"a":1}`, "/b/c", "text", `{"a":1,"b":{"c":"text"}}`},
		{`{}`, "/b", `"5"`, `{"b":"5"}`},
		{`{ "z" : 1.0, "a" : [1, 2] }`, "/a/1", "true", `{ "z" : 1.0, "a" : [1, true] }`},
		{`{"a":12345678901234567890}`, "/x~1y", "null", `{"a":12345678901234567890,"x/y":null}`},
		{`{"a":[]}`, "/a/-", "1", `{"a":[1]}`},
		{`{"a":[0]}`, "/a/-/b", "a <b>", `{"a":[0,{"b":"a <b>"}]}`},
		{`{"a":1,"a":2}`, "/a", "3", `{"a":1,"a":3}`},
		{`{"a":1}`, "", "[]", `[]`},
		{`[[1]]`, "/0/0", `{"b":[1,2]}`, `[[{"b":[1,2]}]]`},
	} {
		got, err := qoreid.Set([]byte(c.body), c.ptr, c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s=%s: %s, %v", c.body, c.ptr, c.value, got, err)
		}
	}
	for _, c := range []struct{ body, ptr string }{{`no`, "/a"}, {`{}`, "a"}, {`{"a":1}`, "/a/b"}, {`{"a":"s"}`, "/a/b"}, {`[1]`, "/3"}, {`[1]`, "/x"}, {`1`, "/x"}} {
		if _, err := qoreid.Set([]byte(c.body), c.ptr, "1"); inbox.KindOf(err) != inbox.Invalid {
			t.Errorf("%s %s: %v", c.body, c.ptr, err)
		}
	}
}

func FuzzSet(f *testing.F) {
	for _, text := range []string{
		`{}`, ` { "a" : [ 1 , 2 ] } `, `{"a":{"b":[{}]}}`, `{"a":{"b":1},"a":{"c":2}}`, `[]`, `"a"`, `{"a":`, `{"":0}`,
		strings.Repeat("[", 10000) + strings.Repeat("]", 10000),
	} {
		f.Add([]byte(text), "/a/b", "1")
	}
	f.Fuzz(func(t *testing.T, body []byte, pointer, value string) {
		out, err := qoreid.Set(body, pointer, value)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			// A value can make the body deeper than a body may be.
			if strings.Count(string(out), "[")+strings.Count(string(out), "{") <= 10000 {
				t.Fatalf("%q %q=%q: %q", body, pointer, value, out)
			}
			return
		}
		if slices.Contains(strings.Split(pointer, "/"), "-") || !utf8.ValidString(pointer) {
			return // added at an end, or under a name with U+FFFD
		}
		at, ok := rawjson.Find(out, pointer)
		raw := at.Of(out)
		want := []byte(value)
		if !json.Valid(want) {
			return
		}
		if !ok || strings.TrimSpace(string(raw)) != strings.TrimSpace(string(want)) {
			t.Errorf("%q %q=%q: %q, where %q stands", body, pointer, value, out, raw)
		}
	})
}
