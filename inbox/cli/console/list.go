package console

import (
	"encoding/json"
	"fmt"
	"strings"

	"inbox/inbox"
)

// Column is a column of a table with items of type T. See [Col].
type Column[T any] struct {
	Head string
	Cell func(item T) string
}

// Col returns a column. cell returns the text of the column for an item.
func Col[T any](head string, cell func(item T) string) Column[T] {
	return Column[T]{Head: head, Cell: cell}
}

// List writes a list in the format of the console, item by item. A table on a terminal is aligned, so it is written when the list
// ends. Elsewhere each row is written at once, with tabs between its cells.
type List[T any] struct {
	c       *Console
	columns []Column[T]
	id      func(item T) string // nil: items have no ids
	rows    [][]string
	fixed   *grid // the layout of a stream on a terminal; nil: not a stream
	n       int
}

// NewList starts a list. id returns the id of an item, for the format "ids"; it is nil for items without ids.
func NewList[T any](c *Console, id func(T) string, columns ...Column[T]) *List[T] {
	l := &List[T]{c: c, columns: columns, id: id}
	if c.Format == "table" {
		row := make([]string, 0, len(columns))
		for _, col := range columns {
			row = append(row, col.Head)
		}
		l.rows = append(l.rows, row)
	}
	return l
}

// Add writes one item.
func (l *List[T]) Add(item T) error {
	l.n++
	switch l.c.Format {
	case "ids":
		return l.c.Print("%s\n", l.id(item))
	case "json", "jsonl":
		return l.addJSON(item)
	}
	row := make([]string, 0, len(l.columns))
	for _, c := range l.columns {
		row = append(row, OneLine(c.Cell(item)))
	}
	l.rows = append(l.rows, row)
	if l.c.OutTerminal {
		return nil
	}
	return l.Flush()
}

// Len returns the number of items written so far.
func (l *List[T]) Len() int { return l.n }

// addJSON writes an item, or the value of a failed item, as JSON.
func (l *List[T]) addJSON(item any) error {
	text, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("write an item: %w", err)
	}
	text = inbox.PrintableJSON(text)
	if l.c.Format == "jsonl" {
		return l.c.Print("%s\n", text)
	}
	before := ",\n"
	if l.n == 1 {
		before = "["
	}
	return l.c.Print("%s%s", before, text)
}

// Fail reports a failed item: in JSON it writes item as an element of the list, else it writes a message to standard error.
func (l *List[T]) Fail(item any, format string, args ...any) error {
	if l.c.Format != "json" && l.c.Format != "jsonl" {
		l.c.Say(format, args...)
		return nil
	}
	l.n++
	return l.addJSON(item)
}

// End ends the list. It writes the rows of a table on a terminal.
func (l *List[T]) End() error {
	l.c.complete = true
	switch {
	case l.c.Format == "json" && l.n == 0:
		return l.c.Print("[]\n")
	case l.c.Format == "json":
		return l.c.Print("]\n")
	case l.c.Format == "table":
		return l.Flush()
	}
	return nil
}

// All writes all items and ends the list.
func (l *List[T]) All(items []T) error {
	for _, item := range items {
		if err := l.Add(item); err != nil {
			return err
		}
	}
	return l.End()
}

// Flush writes the added rows: fitted to the width of the terminal, or, elsewhere, with tabs between their cells.
func (l *List[T]) Flush() error {
	rows := l.rows
	l.rows = nil
	if len(rows) == 0 { // Add has written the other formats
		return nil
	}
	if !l.c.OutTerminal {
		for _, row := range rows {
			if err := l.c.Print("%s\n", strings.Join(row, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	if l.fixed == nil {
		return l.c.Table(rows)
	}
	width := l.c.TerminalWidth()
	return l.c.Print("%s", l.fixed.text(nil, l.fixed.shortened(rows, l.c.Now(), width), width))
}

// Stream starts a list whose rows are flushed one by one. On a terminal the columns have the widths of a typical item, and wider cells
// are cut.
func (l *List[T]) Stream(typical T) error {
	if l.c.Format != "table" {
		return nil
	}
	if !l.c.OutTerminal {
		l.rows = nil
		return nil
	}
	row := make([]string, 0, len(l.columns))
	for _, c := range l.columns {
		row = append(row, OneLine(c.Cell(typical)))
	}
	g := newGrid(append(l.rows, row))
	if width := l.c.TerminalWidth(); width > 0 {
		g.shorten(l.c.Now())
		g.cut(width)
		g.move(width)
	}
	l.rows, l.fixed = nil, g
	return l.c.Print("%s\n", g.line(g.heads))
}
