package sdk

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"inbox/sdk/abi"
)

// sameResult fails the test unless a result is read from its text as from that of encoding/json.
func sameResult(t *testing.T, r abi.Result) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	text := encode(r)
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v; want %s", text, err, b)
	}
}

func TestAResultIsEncodedAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	text := "a\"\\\n\r\t\x00\x1f\x7f<>&é\u2028\U0001F600\xff\xed\xa0\x80"
	sameResult(t, abi.Result{})
	sameResult(t, abi.Result{
		Outcome: abi.OutcomeOK, Reason: text, RetryAfter: "1s", State: json.RawMessage(` {"a":[1]} `),
		Emit: []abi.Emission{{Event: "a.b"}, {Event: text, EventType: text, Key: text, Body: json.RawMessage(`null`)}},
		HTTP: []abi.Request{
			{}, {Method: "POST", URL: text, Headers: map[string]string{"b": text, "a\n": "1"}, Secrets: map[string]string{text: "{{secret.x}}"}, Body: json.RawMessage(`"x"`)},
			{BodyBase64: []byte{0, 255, 3}, Raw: true, Then: text},
		},
	})
	e := abi.Emission{Event: "a.b", Key: text, Body: json.RawMessage(`[]`)}
	var got abi.Emission
	if err := json.Unmarshal(encodeEmission(&e), &got); err != nil || got.Key != strings.ToValidUTF8(text[:len(text)-4], "")+"\ufffd\ufffd\ufffd\ufffd" || string(got.Body) != "[]" {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzAResultIsEncodedAsByEncodingJSON(f *testing.F) {
	f.Add("late", "a.b", "k\xff", []byte{0}, true)
	f.Fuzz(func(t *testing.T, reason, event, header string, body []byte, raw bool) {
		sameResult(t, abi.Result{
			Outcome: abi.OutcomeSkip, Reason: reason, Emit: []abi.Emission{{Event: event, Key: header}},
			HTTP: []abi.Request{{URL: event, Headers: map[string]string{header: reason}, BodyBase64: body, Raw: raw}},
		})
	})
}

// encode has a line for every member of the contract.
func TestEveryMemberOfAResultIsEncoded(t *testing.T) {
	t.Parallel()
	full := func(v any) {
		s := reflect.ValueOf(v).Elem()
		for i := range s.NumField() {
			switch f := s.Field(i); f.Interface().(type) {
			case string:
				f.SetString("x")
			case bool:
				f.SetBool(true)
			case json.RawMessage:
				f.SetBytes([]byte(`1`))
			case []byte:
				f.SetBytes([]byte("x"))
			case map[string]string:
				f.Set(reflect.ValueOf(map[string]string{"a": "b"}))
			case *abi.Signing:
				f.Set(reflect.ValueOf(&abi.Signing{Scheme: "x", Secret: "y"}))
			case []abi.Emission, []abi.Request:
			default:
				t.Fatalf("%s.%s has a type that this test does not know", s.Type(), s.Type().Field(i).Name)
			}
		}
	}
	r := abi.Result{Emit: make([]abi.Emission, 1), HTTP: make([]abi.Request, 1)}
	full(&r)
	full(&r.Emit[0])
	full(&r.HTTP[0])
	sameResult(t, r)
}
