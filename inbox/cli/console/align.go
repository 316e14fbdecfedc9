package console

import "strings"

// Pairs writes names with their values, one pair a line. It omits pairs with an empty value.
func (c *Console) Pairs(pairs ...string) error {
	var rows [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, []string{pairs[i], OneLine(pairs[i+1])})
		}
	}
	return c.Align(rows)
}

// Align writes rows in aligned columns, without a head. On a terminal a long last cell is wrapped within its column.
func (c *Console) Align(rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], TextWidth(cell))
		}
	}
	for _, row := range rows {
		before := ""
		for i, cell := range row[:len(row)-1] {
			before += cell + strings.Repeat(" ", widths[i]-TextWidth(cell)+2)
		}
		if err := c.Print("%s", c.Hanging(before, row[len(row)-1])); err != nil {
			return err
		}
	}
	return nil
}

// Hanging returns text after before, in lines. On a terminal text is wrapped to the right of before, or, if that leaves too few
// columns, on the lines below, indented.
func (c *Console) Hanging(before, text string) string {
	const indent = "    "
	width := c.TerminalWidth()
	text = OneLine(text)
	if width == 0 {
		return strings.TrimRight(before+text, " ") + "\n"
	}
	var b strings.Builder
	if room := width - TextWidth(before); room < Narrowest && TextWidth(text) > room {
		b.WriteString(cutText(strings.TrimRight(before, " "), width, keepHead) + "\n")
		before = indent
	}
	for _, line := range Wrap(text, max(width-TextWidth(before), 1)) {
		b.WriteString(strings.TrimRight(before+line, " ") + "\n")
		before = strings.Repeat(" ", TextWidth(before))
	}
	return b.String()
}
