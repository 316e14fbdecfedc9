package cli

import "strings"

// pairs writes names and values. Pairs without a value are left out.
func (p *program) pairs(pairs ...string) error {
	var rows [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, []string{pairs[i], oneLine(pairs[i+1])})
		}
	}
	return p.align(rows)
}

// align writes rows without a head. On a terminal the last cell of a row goes on under its beginning.
func (p *program) align(rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	for _, row := range rows {
		before := ""
		for i, cell := range row[:len(row)-1] {
			before += cell + strings.Repeat(" ", widths[i]-textWidth(cell)+2)
		}
		if err := p.print("%s", p.hanging(before, row[len(row)-1])); err != nil {
			return err
		}
	}
	return nil
}

// hanging returns a text after what stands before it; on a terminal it goes on under its beginning, or, where that leaves
// too little room, on lines of its own.
func (p *program) hanging(before, text string) string {
	const indent = "    "
	width := p.terminalWidth()
	text = oneLine(text)
	if width == 0 {
		return strings.TrimRight(before+text, " ") + "\n"
	}
	var b strings.Builder
	if room := width - textWidth(before); room < narrowest && textWidth(text) > room {
		b.WriteString(cutText(strings.TrimRight(before, " "), width, keepHead) + "\n")
		before = indent
	}
	for _, line := range wrapText(text, max(width-textWidth(before), 1)) {
		b.WriteString(strings.TrimRight(before+line, " ") + "\n")
		before = strings.Repeat(" ", textWidth(before))
	}
	return b.String()
}
