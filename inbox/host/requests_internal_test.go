package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inbox/inbox"
)

func TestRequestsOfAResultAreReadAndChecked(t *testing.T) {
	t.Parallel()
	o, err := (&Host{}).newOutside(&inbox.HTTP{
		Allow:   []string{"https://api.example.com"},
		Secrets: []inbox.SecretGrant{{Name: "token", Value: "env:T", Origins: []string{"https://api.example.com"}}},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	result := func(http string) inbox.Outcome {
		p := &Program{outside: o, manifest: &inbox.Manifest{Emit: []string{"crm.*"}}}
		out := parseResult([]byte(`{"outcome":"ok","http":` + http + `}`))
		p.complete(&out, &activity{kv: newKV(nil, 0), emit: emissions{allowance: 2}})
		return out
	}
	out := result(`[
		{"method":"POST","url":"https://API.example.com:443/a?b","headers":{"X-B":"2","X-A":"1"},"secrets":{"Authorization":"Bearer {{secret.token}}"},"body":{"n": 1}},
		{"method":"PUT","url":"https://api.example.com/","headers":{"content-type":"text/plain"},"body":"text"},
		{"method":"POST","url":"https://api.example.com/","body_base64":"AP8="},
		{"method":"POST","url":"https://api.example.com/","raw":true},
		{"method":"GET","url":"https://api.example.com/","body":null,"then":"crm.answered"}
	]`)
	const origin = "https://api.example.com"
	want := []inbox.Outgoing{
		{Origin: origin, Request: inbox.Request{
			Method: "POST", URL: "https://API.example.com:443/a?b", Body: []byte(`{"n": 1}`), Secrets: map[string]string{"Authorization": "Bearer {{secret.token}}"},
			Headers: []inbox.Header{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}, {Name: "Content-Type", Value: "application/json"}},
		}},
		{Origin: origin, Request: inbox.Request{Method: "PUT", URL: origin + "/", Body: []byte("text"), Headers: []inbox.Header{{Name: "content-type", Value: "text/plain"}}}},
		{Origin: origin, Request: inbox.Request{Method: "POST", URL: origin + "/", Body: []byte{0, 0xff}}},
		{Origin: origin, Request: inbox.Request{Method: "POST", URL: origin + "/", Raw: true}},
		{Origin: origin, Request: inbox.Request{Method: "GET", URL: origin + "/", Then: "crm.answered"}},
	}
	if out.Result != inbox.OK {
		t.Fatalf("%s: %s", out.Result, out.Reason)
	}
	if diff := cmp.Diff(want, out.Effects.Requests); diff != "" {
		t.Error(diff)
	}
	out = result(`[{"method":"POST","url":"https://api.example.com/","body":"x","sign":{"scheme":"standard","secret":"token"}},
		{"method":"POST","url":"https://api.example.com/","raw":true,"sign":{"scheme":"qoreid","secret":"token"}}]`)
	if out.Result != inbox.OK || out.Effects.Requests[0].Sign != (inbox.Signing{Scheme: inbox.SignStandard, Secret: "token"}) ||
		out.Effects.Requests[1].Sign != (inbox.Signing{Scheme: inbox.SignQoreID, Secret: "token"}) {
		t.Errorf("signed requests: %s (%s), %+v", out.Result, out.Reason, out.Effects)
	}
	entry := func(members string) string {
		return `[{"method":"POST","url":"https://api.example.com/"` + members + `}]`
	}
	for list, want := range map[string]struct {
		result inbox.Result
		says   string
	}{
		`{}`:                {inbox.BadResult, "its http is an object and not a list"},
		`[7]`:               {inbox.BadResult, "its http[0] is not a request of the contract"},
		`[{}]`:              {inbox.BadResult, "has no method or no url"},
		entry(`,"boby":1`):  {inbox.BadResult, "is not a request of the contract"},
		entry(`,"sign":{}`): {inbox.BadResult, "has sign without a scheme"},
		entry(`,"sign":{"scheme":"rot13","secret":"token"}`):   {inbox.BadResult, "cannot be sent"},
		entry(`,"sign":{"scheme":"standard"}`):                 {inbox.BadResult, "cannot be sent"},
		entry(`,"sign":{"scheme":"standard","secret":"nope"}`): {inbox.Denied, "asks for what is not granted"},
		entry(`,"sign":{"scheme":"standard","key":"x"}`):       {inbox.BadResult, "is not a request of the contract"},
		entry(`,"then":"crm"`):                                 {inbox.BadResult, "has then, which has an event without a dot"},
		entry(`,"then":"x.y"`):                                 {inbox.Denied, "it emits an event that it was not granted"},
		"[" + strings.Repeat(`{"method":"GET","url":"https://api.example.com/","then":"crm.a"},`, 2) + `{"method":"GET","url":"https://api.example.com/","then":"crm.b"}]`: {
			inbox.BadResult, "more than 2 events"},
		entry(`,"raw":true,"body":"x"`):                               {inbox.BadResult, "and a body"},
		entry(`,"body":"x","body_base64":"AA=="`):                     {inbox.BadResult, "body and body_base64"},
		entry(`,"headers":{"Host":"x"}`):                              {inbox.Denied, "asks for what is not granted"},
		entry(`,"headers":{"X-A":"a\nb"}`):                            {inbox.BadResult, "cannot be sent"},
		entry(`,"secrets":{"A":"{{secret.nope}}"}`):                   {inbox.Denied, "asks for what is not granted"},
		`[{"method":"BREW","url":"https://api.example.com/"}]`:        {inbox.BadResult, "cannot be sent"},
		`[{"method":"POST","url":"https://other.example.com/a?ada"}]`: {inbox.Denied, "asks for https://other.example.com, which is not granted"},
		`[{"method":"POST","url":"http://api.example.com/"}]`:         {inbox.Denied, "asks for http://api.example.com, which is not granted"},
		`[{"method":"POST","url":"https://127.0.0.1/"}]`:              {inbox.Denied, "which is not granted"},
		`[{"method":"POST","url":"/a"}]`:                              {inbox.BadResult, "cannot be sent"},
		"[" + strings.Repeat(`{"method":"GET","url":"https://api.example.com/"},`, 32) + `{"method":"GET","url":"https://api.example.com/"}]`: {
			inbox.Output, "its http has 33 requests; a result has at most 32"},
		fmt.Sprintf(`[{"method":"POST","url":"https://api.example.com/","body":%q}]`, strings.Repeat("x", 1<<20+1)): {inbox.Output, "more than 1048576 bytes in all"},
	} {
		out := result(list)
		if out.Result != want.result || !strings.Contains(out.Reason, want.says) {
			t.Errorf("%.80s: %s (%s), want %s (…%s…)", list, out.Result, out.Reason, want.result, want.says)
		}
		if strings.Contains(out.Reason[:out.HostWords], "ada") || out.Effects != nil {
			t.Errorf("%.80s: the host says %q, with effects %v", list, out.Reason[:out.HostWords], out.Effects)
		}
	}
}

func TestRequestsAreSentWithOkAndSkipOnly(t *testing.T) {
	t.Parallel()
	o, err := (&Host{}).newOutside(&inbox.HTTP{Allow: []string{"https://api.example.com"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{outside: o, manifest: &inbox.Manifest{}}
	for word, want := range map[string]int{"ok": 1, "skip": 1, "retry": 0, "reject": 0} {
		out := parseResult([]byte(`{"outcome":"` + word + `","http":[{"method":"GET","url":"https://api.example.com/"}]}`))
		p.complete(&out, &activity{kv: newKV(nil, 0), emit: emissions{allowance: 1}})
		if string(out.Result) != word || len(out.Effects.Requests) != want {
			t.Errorf("%s: %+v", word, out)
		}
	}
}
