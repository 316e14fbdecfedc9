package console

import (
	"slices"
	"strings"
	"time"
)

// minWidth returns the smallest width to which a column is cut. A table that is still too wide moves whole columns below its rows.
func minWidth(head string) int {
	switch head {
	case "EVENT":
		return len("workflow/…completed") - len("…") + 1
	case "KEY":
		return len("…1234567890123") - len("…") + 1
	}
	return 12
}

// isProse reports whether the cells of a column are sentences, which may be moved below their rows.
func isProse(head string) bool {
	return slices.Contains([]string{"NOTE", "REASON", "EXPLAINED", "TO GRANT IT", "WHAT"}, head)
}

// droppable reports whether a column is dropped when all its cells are equal.
func droppable(head string) bool {
	return slices.Contains([]string{"SOURCE", "MODE", "ENGINE"}, head)
}

// informative reports whether a cell has information: it is not empty, "-", zero or the default mode.
func informative(head, cell string) bool {
	return !slices.Contains([]string{"", "-", "0"}, cell) && !(head == "MODE" && cell == "live")
}

// moveFirst returns the columns that are moved below their rows first, in this order, when a table is too wide.
func moveFirst() []string {
	return []string{"ENGINE", "COPIES", "LATE", "ATTEMPTS", "LIVE", "CREATED", "FILTERED", "CURSOR", "MODE", "MARKS", "OUTCOME", "CODE"}
}

// keepOf returns the part of a column's cells that remains when they are cut. A key keeps its end, which is the id. An event keeps both
// ends, which are its name and its type.
func keepOf(head string) keep {
	switch head {
	case "KEY", "REFERENCE":
		return keepTail
	case "EVENT":
		return keepBoth
	}
	return keepHead
}

// grid is the layout of a table for a terminal: the columns beside each other, and the columns on a line below each row.
type grid struct {
	heads       []string
	rows        [][]string
	shown       []int // columns beside each other
	below       []int // columns below each row
	widths      []int
	maxKeyWidth int      // bound of the width of a first column of keys; 0: none
	dropped     []string // names and values of dropped columns whose cells are informative and equal
}

// newGrid returns the layout of a table whose first row is its head.
func newGrid(rows [][]string) *grid {
	g := &grid{heads: rows[0], rows: slices.Clone(rows[1:])} // shorten replaces rows in place
	for i := range g.heads {
		g.shown = append(g.shown, i)
	}
	g.measure()
	return g
}

func (g *grid) measure() {
	g.widths = make([]int, len(g.heads))
	for i, head := range g.heads {
		g.widths[i] = TextWidth(head)
		for _, row := range g.rows {
			g.widths[i] = max(g.widths[i], TextWidth(row[i]))
		}
	}
	if g.maxKeyWidth > 0 && g.heads[g.shown[0]] == "KEY" {
		g.widths[g.shown[0]] = min(g.widths[g.shown[0]], g.maxKeyWidth)
	}
}

// boundKeys limits the width of the key column. Senders choose the keys, and a few long ones must not displace all other columns. A cut
// key is repeated whole below its row.
func (g *grid) boundKeys(width int) {
	const usual = len("qoreid/workflow/1234567890123")
	g.maxKeyWidth = max(width*2/5, usual)
	g.measure()
}

// excess returns the number of terminal columns by which the table is wider than width.
func (g *grid) excess(width int) int {
	n := -width
	for i, col := range g.shown {
		if i > 0 {
			n += 2
		}
		n += g.widths[col]
	}
	return n
}

// fit narrows the grid to a width, with as few steps as possible. The first steps lose the least information.
func (g *grid) fit(width int, now time.Time) {
	for _, step := range []func(){
		g.moveProse, func() { g.shorten(now) }, g.dropUniform, func() { g.boundKeys(width) }, func() { g.cut(width) }, func() { g.move(width) },
		func() { g.widths[g.shown[0]] -= g.excess(width) },
	} {
		if g.excess(width) <= 0 {
			return
		}
		step()
	}
}

// hide removes columns from the columns beside each other, but never the first.
func (g *grid) hide(which func(col int) bool) {
	first := g.shown[0]
	g.shown = slices.DeleteFunc(g.shown, func(col int) bool { return col != first && which(col) })
}

// moveProse moves columns with sentences below their rows.
func (g *grid) moveProse() {
	g.hide(func(col int) bool {
		if isProse(g.heads[col]) {
			g.below = append(g.below, col)
			return true
		}
		return false
	})
}

// shorten removes the date from times of today and the seconds from other times, and the prefix "verification_" from event types.
func (g *grid) shorten(now time.Time) {
	for i, row := range g.rows {
		g.rows[i] = slices.Clone(row)
		for col, cell := range row {
			if t, err := time.Parse(stampLayout, cell); err == nil {
				g.rows[i][col] = shortTime(t, now)
			}
			if g.heads[col] == "EVENT" {
				g.rows[i][col] = strings.Replace(cell, "/verification_", "/…", 1)
			}
		}
	}
	g.measure()
}

// shortTime formats a time with the parts that differ from now.
func shortTime(t, now time.Time) string {
	now = now.In(t.Location())
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format(time.TimeOnly)
	case t.Year() == now.Year():
		return t.Format("01-02 15:04")
	}
	return t.Format(time.DateOnly)
}

// dropUniform removes columns that are equal in every row and are droppable or not informative.
func (g *grid) dropUniform() {
	if len(g.rows) == 0 {
		return
	}
	g.hide(func(col int) bool {
		first := g.rows[0][col]
		same := !slices.ContainsFunc(g.rows, func(row []string) bool { return row[col] != first })
		if same && droppable(g.heads[col]) && informative(g.heads[col], first) {
			g.dropped = append(g.dropped, strings.ToLower(g.heads[col])+" "+first)
		}
		return same && (droppable(g.heads[col]) || !informative(g.heads[col], first))
	})
}

// cut narrows the columns that exceed their smallest width most. It never narrows the first column, whose cells are arguments of other
// commands.
func (g *grid) cut(width int) {
	for excess := g.excess(width); excess > 0; excess-- {
		slack := func(col int) int {
			if col == g.shown[0] {
				return 0
			}
			return g.widths[col] - minWidth(g.heads[col])
		}
		widest := slices.MaxFunc(g.shown, func(a, b int) int { return slack(a) - slack(b) })
		if slack(widest) <= 0 {
			return
		}
		g.widths[widest]--
	}
}

// move moves columns below their rows until the others fit.
func (g *grid) move(width int) {
	order := moveFirst()
	for i := range g.heads {
		order = append(order, g.heads[len(g.heads)-1-i])
	}
	var moved []int
	for _, head := range order {
		if g.excess(width) <= 0 {
			break
		}
		g.hide(func(col int) bool {
			if g.heads[col] != head {
				return false
			}
			moved = append(moved, col)
			return true
		})
	}
	slices.Sort(moved)
	g.below = append(moved, g.below...)
	g.measure() // the remaining columns may need less cutting now
	g.cut(width)
}

// line returns the line of a row: its cells that are beside each other.
func (g *grid) line(row []string) string {
	var b strings.Builder
	for i, col := range g.shown {
		if i > 0 {
			b.WriteString("  ")
		}
		cell := cutText(row[col], g.widths[col], keepOf(g.heads[col]))
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(g.widths[col]-TextWidth(cell), 0)))
	}
	return strings.TrimRight(b.String(), " ")
}

// linesBelow returns the lines below a row.
func (g *grid) linesBelow(row []string, width int) (lines []string) {
	const indent = "    "
	var details []string
	if first := g.shown[0]; g.maxKeyWidth > 0 && g.heads[first] == "KEY" && TextWidth(row[first]) > g.widths[first] {
		details = append(details, row[first])
	}
	for _, col := range g.below {
		switch cell := row[col]; {
		case !informative(g.heads[col], cell):
		case isProse(g.heads[col]):
			lines = append(lines, Wrap(cell, width-len(indent))...)
		default:
			details = append(details, strings.ToLower(g.heads[col])+" "+cell)
		}
	}
	if len(details) > 0 {
		lines = append(Wrap(strings.Join(details, " · "), width-len(indent)), lines...)
	}
	for i, line := range lines {
		lines[i] = indent + line
	}
	return lines
}

// text returns the head, unless it is nil, and the rows with the lines below them.
func (g *grid) text(head []string, rows [][]string, width int) string {
	var b strings.Builder
	if head != nil {
		b.WriteString(g.line(head) + "\n")
	}
	for _, row := range rows {
		b.WriteString(strings.Join(append([]string{g.line(row)}, g.linesBelow(row, width)...), "\n") + "\n")
	}
	return b.String()
}

// shortened returns further rows of a stream with their cells shortened, as in the layout. Without a width it returns them unchanged.
func (g *grid) shortened(rows [][]string, now time.Time, width int) [][]string {
	if width == 0 {
		return rows
	}
	further := grid{heads: g.heads, rows: rows}
	further.shorten(now)
	return further.rows
}

// Table writes rows; the first row is the head. On a terminal it fits them to the width.
func (c *Console) Table(rows [][]string) error {
	g, width := newGrid(rows), c.TerminalWidth()
	if width > 0 {
		g.fit(width, c.Now())
	}
	if err := c.Print("%s", g.text(g.heads, g.rows, width)); err != nil || len(g.dropped) == 0 {
		return err
	}
	c.Say("in every row: %s; --wide shows all columns", strings.Join(g.dropped, ", "))
	return nil
}
