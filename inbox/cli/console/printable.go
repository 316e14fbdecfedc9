package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"inbox/inbox"
)

// SafeJSON returns a writer for JSON texts that makes them safe for terminals without changing their values. Each Write must be one
// whole JSON text.
func SafeJSON(to io.Writer) io.Writer { return printableJSON{to} }

// SafeLog returns a handler that makes messages and attributes safe for terminals before h writes them.
func SafeLog(h slog.Handler) slog.Handler { return printableLog{h} }

// printableJSON implements [SafeJSON].
type printableJSON struct{ to io.Writer }

// Write writes one JSON text.
func (w printableJSON) Write(text []byte) (int, error) {
	if _, err := w.to.Write(inbox.PrintableJSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// printableLog makes logged text safe for terminals. The handler behind it adds colours, so it does not remove escape sequences from
// messages.
type printableLog struct{ slog.Handler }

// Handle logs a record.
func (h printableLog) Handle(ctx context.Context, r slog.Record) error {
	safe := slog.NewRecord(r.Time, r.Level, inbox.Printable(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		safe.AddAttrs(printableAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, safe)
}

// WithAttrs returns a handler whose records have these attributes.
func (h printableLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	safe := make([]slog.Attr, len(attrs))
	for i := range attrs {
		safe[i] = printableAttr(attrs[i])
	}
	return printableLog{h.Handler.WithAttrs(safe)}
}

// WithGroup returns a handler whose attributes are in a group.
func (h printableLog) WithGroup(name string) slog.Handler {
	return printableLog{h.Handler.WithGroup(inbox.Printable(name))}
}

func printableAttr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		v = slog.StringValue(inbox.PrintableText(v.String()))
	case slog.KindAny:
		v = slog.StringValue(inbox.PrintableText(fmt.Sprint(v.Any())))
	case slog.KindGroup:
		safe := make([]slog.Attr, len(v.Group()))
		for i, inner := range v.Group() {
			safe[i] = printableAttr(inner)
		}
		v = slog.GroupValue(safe...)
	}
	return slog.Attr{Key: inbox.Printable(a.Key), Value: v}
}
