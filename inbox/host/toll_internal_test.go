package host

import "testing"

func TestEveryFunctionOfTheHostHasAPriceAndEveryPriceAFunction(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	for _, box := range h.boxes {
		for f := range box.offered {
			if tolls[f] == nil {
				t.Errorf("%s has no price", f)
			}
		}
		for f := range tolls {
			if box.offered[f] == nil {
				t.Errorf("%s is not there", f)
			}
		}
	}
}
