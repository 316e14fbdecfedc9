package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"inbox/inbox"
	"inbox/inbox/egress"
)

// A plugin may reach one receiver of this machine, and has one secret for it.
func ExampleClient_Do() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "hello %s", r.Header.Get("Authorization")[:7])
	}))
	defer receiver.Close()

	grant, err := egress.ParseGrant(nil, []string{receiver.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	token := egress.NewSecret("crm_token", "the operator's", grant.Private)
	client, err := egress.New(grant, egress.Options{Secret: func(name string) (egress.Secret, bool) { return token, name == "crm_token" }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	response, err := client.Do(context.Background(), egress.Call{
		IdempotencyKey: "stays-the-same-over-retries",
		Request: inbox.Request{
			Method: http.MethodPost, URL: receiver.URL + "/customers", Body: []byte(`{"name":"Ada"}`),
			Headers: []inbox.Header{{Name: "Content-Type", Value: "application/json"}},
			Secrets: map[string]string{"Authorization": "Bearer {{secret.crm_token}}"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %q\n", response.Status, response.Body)

	_, err = client.Do(context.Background(), egress.Call{Request: inbox.Request{Method: http.MethodGet, URL: "https://other.example.com/?q=1"}})
	fmt.Println(inbox.KindOf(err), errors.Is(err, egress.ErrNotGranted), errors.Is(err, io.EOF))
	fmt.Println(err)
	// Output:
	// 201 "hello Bearer "
	// forbidden true false
	// GET https://other.example.com: the origin is not granted: https://other.example.com
}
