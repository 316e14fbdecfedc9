package inbox

import (
	"strconv"
	"strings"
)

// SameNumber reports whether two texts spell the same JSON number (RFC 8259, section 6): 1, 1.0, 10e-1 and 0.1E+1 are one.
// It compares digits, so that numbers of any length and any exponent are compared exactly and in linear time. What does not
// spell a number is the same as nothing.
func SameNumber(a, b string) bool {
	x, ok := parseDecimal(a)
	if !ok {
		return false
	}
	y, ok := parseDecimal(b)
	return ok && x == y
}

// IsNumber reports whether a text spells a JSON number.
func IsNumber(text string) bool {
	_, ok := parseDecimal(text)
	return ok
}

// decimal is a number as 0.DIGITS times a power of ten. Equal numbers are equal decimals: digits neither begin nor end with
// a zero, and those of zero are empty.
type decimal struct {
	negative bool
	digits   string
	power    int64
}

// maxPower bounds an exponent as it is written: beyond it nothing can be told apart by shifting digits.
const maxPower = 1 << 62

func parseDecimal(text string) (decimal, bool) {
	var d decimal
	rest, negative := strings.CutPrefix(text, "-")
	whole, rest := digits(rest)
	if whole == "" || (len(whole) > 1 && whole[0] == '0') {
		return d, false
	}
	fraction := ""
	if after, point := strings.CutPrefix(rest, "."); point {
		if fraction, rest = digits(after); fraction == "" {
			return d, false
		}
	}
	power, ok := exponent(rest)
	if !ok {
		return d, false
	}
	all := whole + fraction
	d.digits = strings.TrimLeft(all, "0")
	d.power = power + int64(len(whole)) - int64(len(all)-len(d.digits))
	if d.digits = strings.TrimRight(d.digits, "0"); d.digits == "" {
		return decimal{}, true // zero has no sign and no power
	}
	d.negative = negative
	return d, true
}

// digits splits the digits off that a text begins with.
func digits(text string) (head, rest string) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}

// exponent reads the exponent that ends a number; there may be none.
func exponent(text string) (power int64, ok bool) {
	if text == "" {
		return 0, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	rest, negative := text[1:], false
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest, negative = rest[1:], rest[0] == '-'
	}
	all, left := digits(rest)
	if all == "" || left != "" {
		return 0, false
	}
	power, err := strconv.ParseInt(all, 10, 64)
	if err != nil || power > maxPower {
		power = maxPower
	}
	if negative {
		power = -power
	}
	return power, true
}
