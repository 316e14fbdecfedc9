package qoreid_test

import (
	"fmt"

	"inbox/inbox/qoreid"
)

func ExampleVerify() {
	secrets := []qoreid.Secret{{Name: "current", Key: []byte("whsec_2")}, {Name: "old", Key: []byte("whsec_1")}}
	body := []byte(`{"event":"address"}`)
	for _, key := range []string{"whsec_1", "guessed"} {
		name, why := qoreid.Verify(qoreid.DefaultAlgorithm, secrets, qoreid.Sign("", []byte(key), body), body)
		fmt.Printf("secret %q, %q\n", name, why)
	}
	// Output:
	// secret "old", ""
	// secret "", "mismatch"
}

func ExampleRead() {
	body := []byte(`{"event":"address","event_type":"verification_completed",
		"data":{"id":17,"customerReference":"c-1","address":{"status":{"status":"WRONG_ADDRESS","state":"COMPLETE"}}}}`)
	v := qoreid.Read(body, qoreid.Rules{Source: "qoreid"})
	fmt.Println(v.Key, v.Status, v.Verdict)
	// Output: qoreid/address/17 WRONG_ADDRESS failed
}

func ExampleSet() {
	body, err := qoreid.Sample(qoreid.ParseKind("workflow/step_verification_started"), 17, "c-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err = qoreid.Set(body, "/data/summary/nin_check/status", "NO_MATCH")
	fmt.Println(string(body[:48]), err)
	// Output: {"event":"workflow","event_type":"step_verificat <nil>
}
