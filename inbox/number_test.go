package inbox_test

import (
	"math/big"
	"strings"
	"testing"

	"inbox/inbox"
)

func TestNumbersAreComparedByTheirValue(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 100_000)
	for _, same := range [][]string{
		{"1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.01E2", "1.000"}, {"0", "-0", "0.0", "0e99", "-0.00e-5"}, {"0.5", "0.50", "5e-1", "5E-01"},
		{"100", "1e2", "1E+2", "1.0e2"}, {"-1.5", "-15e-1"}, {"12345678901234567890123", "12345678901234567890123.0", "1.2345678901234567890123e22"},
		{"1" + zeros, "1e100000"},
	} {
		for _, a := range same {
			for _, b := range same {
				if !inbox.SameNumber(a, b) {
					t.Errorf("%.30s is not %.30s", a, b)
				}
			}
		}
	}
	for _, pair := range [][2]string{
		{"1", "-1"}, {"1", "10"}, {"1", "1.0000000000000000000001"}, {"9007199254740993", "9007199254740992"}, {"01", "1"}, {"", ""}, {".5", "0.5"},
		{"1.", "1"}, {"+1", "1"}, {"1e", "1"}, {"0x10", "16"}, {"1_000", "1000"}, {"inf", "inf"}, {"NaN", "NaN"}, {"true", "true"}, {"1 ", "1"},
		{"1e999999999999", "1e999999999998"}, {"1e-999999999999", "0"},
	} {
		if inbox.SameNumber(pair[0], pair[1]) {
			t.Errorf("%q is %q", pair[0], pair[1])
		}
	}
}

func FuzzSameNumber(f *testing.F) {
	f.Add("1.0", "1")
	f.Add("-12e-3", "-0.012")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 40 || len(b) > 40 || !inbox.IsNumber(a) || !inbox.IsNumber(b) || tooFar(a) || tooFar(b) {
			return
		}
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if !okX || !okY {
			t.Fatalf("%q or %q is no number to math/big", a, b)
		}
		if got, want := inbox.SameNumber(a, b), x.Cmp(y) == 0; got != want {
			t.Errorf("%q and %q: %v", a, b, got)
		}
	})
}

// tooFar reports whether math/big would take long over an exponent.
func tooFar(number string) bool {
	_, power, _ := strings.Cut(strings.ToLower(number), "e")
	return len(strings.TrimLeft(power, "+-")) > 3
}
