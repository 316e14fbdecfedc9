package console

import (
	"fmt"
	"strings"
	"time"

	"inbox/inbox"
)

// OneLine returns a text as one line that is safe for terminals.
func OneLine(text string) string { return inbox.Printable(text) }

// Lines returns the lines of a text, each indented and safe for terminals.
func Lines(text, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(indent + OneLine(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// OrDash returns the text, or "-" when it is empty.
func OrDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// Duration formats a duration, rounded to hours, seconds, milliseconds or microseconds.
func Duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Second:
		return d.Round(time.Second).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// Bytes formats a number of bytes in the largest unit in which it is at least 1.
func Bytes(n int64) string {
	const unit = 1024
	value, names := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for value >= unit && i < len(names)-1 {
		value /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, names[i])
}

// Plural returns a number with its noun, such as "1 event" or "2 events".
func Plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
