package inbox

import "strings"

// HeaderValue returns the value of a header, its name in any case: the values of its lines that are not blank, joined by
// ", " in order of arrival (RFC 9110, section 5.3). It is empty without such a header. Whatever reads a header of
// a stored request reads it with this function, so that all see the same value.
func HeaderValue(headers []Header, name string) string {
	value := ""
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			value = JoinValues(value, h.Value)
		}
	}
	return value
}

// JoinValues joins two values of one header by ", "; a blank one is left out.
func JoinValues(a, b string) string {
	switch {
	case strings.TrimSpace(b) == "":
		return a
	case strings.TrimSpace(a) == "":
		return b
	}
	return a + ", " + b
}
