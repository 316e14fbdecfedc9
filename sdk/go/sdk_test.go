package sdk

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"inbox/sdk/abi"
)

const document = `{"v":1,"delivery":{"id":"p/evt_0000001arhfpemxb","seq":7,"run":0,"attempt":2,"replay":false,"now":"2026-11-24T12:00:00.000Z"},
"event":{"id":"evt_1","seq":7,"source":"qoreid","mode":"live","origin":"webhook","event":"workflow","event_type":null,
"received_at":"2026-11-24T12:00:00.000Z","key":"qoreid/workflow/9","customer_reference":"ada","verdict":"passed","status":null,
"state":null,"sub_status":null,"late":true,"duplicate_hint":false,"headers":{"content-type":"application/json"},
"body":{"data":{"id":12345678901234567890}},"withheld":[]},"config":{"limit":"5"},"state":null}`

func TestADocumentBecomesAnEvent(t *testing.T) {
	t.Parallel()
	e, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if e.Name() != "workflow" || e.EventType != nil || *e.CustomerReference != "ada" || !e.Late || e.Delivery.Attempt != 2 || e.Config["limit"] != "5" {
		t.Errorf("%+v", e)
	}
	var body struct{ Data struct{ ID json.Number } }
	if err := e.Decode(&body); err != nil || body.Data.ID != "12345678901234567890" {
		t.Errorf("%+v, %v", body, err)
	}
	if err := e.Decode(&struct{ Data string }{}); err == nil || !strings.Contains(err.Error(), "evt_1") {
		t.Errorf("a body of another shape: %v", err)
	}
	if err := (&Event{Event: abi.Event{ID: "evt_2", BodyBase64: []byte("x")}}).Decode(&body); err == nil {
		t.Error("a body that is not JSON was decoded")
	}
}

func TestEachAnswerIsAResultOfTheContract(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Answer{
		"":                                    Done(),
		`{"outcome":"skip","reason":"late"}`:  Skip("late"),
		`{"outcome":"retry","reason":"down"}`: Retry("down"),
		`{"outcome":"retry","reason":"soon","retry_after":"1m30s"}`: RetryAfter(90*time.Second, "soon"),
		`{"outcome":"retry","reason":"now"}`:                        RetryAfter(-time.Second, "now"),
		`{"outcome":"reject","reason":"no such client"}`:            Reject("no such client"),
	} {
		got := string(handleOne([]byte(document), func(*Event) Answer { return a }))
		if got != want {
			t.Errorf("%s: %s, want %s", a.Outcome(), got, want)
		}
	}
	if a := RetryAfter(time.Minute, "x"); a.Wait() != time.Minute || a.Reason() != "x" || a.Outcome() != "retry" {
		t.Errorf("%+v", a)
	}
	if a := Done(); a.Wait() != 0 || a.Outcome() != "ok" || (Answer{}).Outcome() != "ok" {
		t.Errorf("%+v", a)
	}
}

// A plugin must not acknowledge a document that it cannot read.
func TestADocumentThatCannotBeReadIsRetried(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"", "{", `{"v":2}`, `{}`} {
		called := false
		got := string(handleOne([]byte(doc), func(*Event) Answer { called = true; return Done() }))
		if called || !strings.Contains(got, `"outcome":"retry"`) {
			t.Errorf("%q: called %v, result %s", doc, called, got)
		}
	}
}

// A plugin that is built natively reads a document and writes a result. The test runs itself as such a program.
func TestAPluginRunsNatively(t *testing.T) {
	t.Parallel()
	if os.Getenv("SDK_TEST_PLUGIN") != "" {
		Handle(func(e *Event) Answer {
			Logf("saw %s", e.Key)
			return Reject("natively")
		})
		os.Exit(0)
	}
	for in, want := range map[string]string{document: `{"outcome":"reject","reason":"natively"}`, "": ""} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestAPluginRunsNatively$")
		cmd.Env = append(os.Environ(), "SDK_TEST_PLUGIN=1")
		cmd.Stdin = strings.NewReader(in)
		var log strings.Builder
		cmd.Stderr = &log
		out, err := cmd.Output()
		if err != nil || string(out) != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
		if in != "" && log.String() != "saw qoreid/workflow/9\n" {
			t.Errorf("log %q", log.String())
		}
	}
}
