package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"inbox/inbox"
)

// column is one column of a table of Ts.
type column[T any] struct {
	head string
	cell func(item T) string
}

// lister writes a list in the chosen format, item by item. A table on a terminal is aligned, and so waits for its end;
// a table that is piped on has tabs between its cells.
type lister[T any] struct {
	p       *program
	columns []column[T]
	id      func(item T) string // nil: there are no ids
	rows    [][]string
	fixed   *grid // of a stream on a terminal
	n       int
}

// list begins a list.
func list[T any](p *program, id func(T) string, columns ...column[T]) *lister[T] {
	l := &lister[T]{p: p, columns: columns, id: id}
	if p.format == "table" {
		row := make([]string, 0, len(columns))
		for _, c := range columns {
			row = append(row, c.head)
		}
		l.rows = append(l.rows, row)
	}
	return l
}

// add writes one item.
func (l *lister[T]) add(item T) error {
	l.n++
	switch l.p.format {
	case "ids":
		return l.p.print("%s\n", l.id(item))
	case "json", "jsonl":
		return l.addJSON(item)
	}
	row := make([]string, 0, len(l.columns))
	for _, c := range l.columns {
		row = append(row, oneLine(c.cell(item)))
	}
	l.rows = append(l.rows, row)
	if l.p.outTerminal {
		return nil
	}
	return l.flush()
}

// addJSON writes one item, or what could not become one, as JSON.
func (l *lister[T]) addJSON(item any) error {
	text, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("write an item: %w", err)
	}
	text = inbox.PrintableJSON(text)
	if l.p.format == "jsonl" {
		return l.p.print("%s\n", text)
	}
	before := ",\n"
	if l.n == 1 {
		before = "["
	}
	return l.p.print("%s%s", before, text)
}

// fail says that something could not become an item: as an element of the list in JSON, else on standard error.
func (l *lister[T]) fail(item any, format string, args ...any) error {
	if l.p.format != "json" && l.p.format != "jsonl" {
		l.p.say(format, args...)
		return nil
	}
	l.n++
	return l.addJSON(item)
}

// none ends a list for which standard input named nothing.
func (l *lister[T]) none() error {
	l.p.say("standard input names no event")
	return l.end()
}

// end ends the list.
func (l *lister[T]) end() error {
	l.p.whole = true
	switch {
	case l.p.format == "json" && l.n == 0:
		return l.p.print("[]\n")
	case l.p.format == "json":
		return l.p.print("]\n")
	case l.p.format == "table":
		return l.flush()
	}
	return nil
}

// all writes a whole list.
func (l *lister[T]) all(items []T) error {
	for _, item := range items {
		if err := l.add(item); err != nil {
			return err
		}
	}
	return l.end()
}

// oneLine makes a cell of a text.
func oneLine(text string) string { return inbox.Printable(text) }

// manyLines is oneLine for a text of several lines.
func manyLines(text, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(indent + oneLine(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// document writes one value as JSON with indentation.
func (p *program) document(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	p.whole = true
	return p.print("%s\n", inbox.PrintableJSON(text))
}

// stamp writes a time in local time with its offset, "-" for none.
func (p *program) stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(p.local()).Format(stampLayout)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// short writes a duration with as much of it as matters.
func short(d time.Duration) string {
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

// bytesText writes a number of bytes in a unit that suits it.
func bytesText(n int64) string {
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

// plural writes a number and its noun.
func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
