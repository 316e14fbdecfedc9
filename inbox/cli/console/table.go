package console

import (
	"slices"
	"strings"
	"time"
)

// cutTo returns the width to which a column may be cut. To save more, whole columns are moved under their rows.
func cutTo(head string) int {
	switch head {
	case "EVENT":
		return len("workflow/…completed") - len("…") + 1
	case "KEY":
		return len("…1234567890123") - len("…") + 1
	}
	return 12
}

// prose reports whether a column holds sentences, which may go on a separate line.
func prose(head string) bool {
	return slices.Contains([]string{"NOTE", "REASON", "EXPLAINED", "TO GRANT IT", "WHAT"}, head)
}

// alike reports whether a column may be dropped when all its cells are equal.
func alike(head string) bool {
	return slices.Contains([]string{"SOURCE", "MODE", "ENGINE"}, head)
}

// says reports whether a cell carries information: it is not empty, "-", zero or the default mode.
func says(head, cell string) bool {
	return !slices.Contains([]string{"", "-", "0"}, cell) && !(head == "MODE" && cell == "live")
}

// minor lists the columns that are moved first, from left to right, when a table is too narrow.
func minor() []string {
	return []string{"ENGINE", "COPIES", "LATE", "ATTEMPTS", "LIVE", "CREATED", "FILTERED", "CURSOR", "MODE", "MARKS", "OUTCOME", "CODE"}
}

// kept returns the part of a cell that remains when it is cut. A key keeps its end, which is the id. An event keeps both ends,
// which are its name and its type.
func kept(head string) keep {
	switch head {
	case "KEY", "REFERENCE":
		return keepTail
	case "EVENT":
		return keepBoth
	}
	return keepHead
}

// grid is the layout of a table for a terminal: the columns beside each other, and those on a line under their row.
type grid struct {
	heads  []string
	rows   [][]string
	shown  []int
	below  []int
	widths []int
	most   int      // the width of a first column of keys is at most this; 0 is no bound
	same   []string // the dropped cells that are equal in every row
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
	if g.most > 0 && g.heads[g.shown[0]] == "KEY" {
		g.widths[g.shown[0]] = min(g.widths[g.shown[0]], g.most)
	}
}

// bound limits the width of the key column, so that a few long keys, which senders choose, cannot push out every other column. A
// cut key is repeated whole under its row.
func (g *grid) bound(width int) {
	const usual = len("qoreid/workflow/1234567890123")
	g.most = max(width*2/5, usual)
	g.measure()
}

// over returns the number of terminal columns by which the table is wider than width.
func (g *grid) over(width int) int {
	n := -width
	for i, col := range g.shown {
		if i > 0 {
			n += 2
		}
		n += g.widths[col]
	}
	return n
}

// fit narrows the grid to the width of a terminal, and no further. It begins with the steps that lose the least information.
func (g *grid) fit(width int, now time.Time) {
	for _, step := range []func(){
		g.proseBelow, func() { g.shorten(now) }, g.dropDull, func() { g.bound(width) }, func() { g.cut(width) }, func() { g.move(width) },
		func() { g.widths[g.shown[0]] -= g.over(width) },
	} {
		if g.over(width) <= 0 {
			return
		}
		step()
	}
}

// hide removes columns from those beside each other, but never the first.
func (g *grid) hide(which func(col int) bool) {
	first := g.shown[0]
	g.shown = slices.DeleteFunc(g.shown, func(col int) bool { return col != first && which(col) })
}

func (g *grid) proseBelow() {
	g.hide(func(col int) bool {
		if prose(g.heads[col]) {
			g.below = append(g.below, col)
			return true
		}
		return false
	})
}

// shorten writes times of today without their date and other times without their seconds, and removes the prefix that most
// event types have.
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

// shortTime writes a time with the parts that differ from now.
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

// dropDull removes columns that are equal in every row and carry no information.
func (g *grid) dropDull() {
	if len(g.rows) == 0 {
		return
	}
	g.hide(func(col int) bool {
		first := g.rows[0][col]
		same := !slices.ContainsFunc(g.rows, func(row []string) bool { return row[col] != first })
		if same && alike(g.heads[col]) && says(g.heads[col], first) {
			g.same = append(g.same, strings.ToLower(g.heads[col])+" "+first)
		}
		return same && (alike(g.heads[col]) || !says(g.heads[col], first))
	})
}

// cut narrows the widest columns except the first, whose cells are arguments of other commands.
func (g *grid) cut(width int) {
	for over := g.over(width); over > 0; over-- {
		spare := func(col int) int {
			if col == g.shown[0] {
				return 0
			}
			return g.widths[col] - cutTo(g.heads[col])
		}
		widest := slices.MaxFunc(g.shown, func(a, b int) int { return spare(a) - spare(b) })
		if spare(widest) <= 0 {
			return
		}
		g.widths[widest]--
	}
}

// move puts columns under their rows until the others fit.
func (g *grid) move(width int) {
	order := minor()
	for i := range g.heads {
		order = append(order, g.heads[len(g.heads)-1-i])
	}
	var moved []int
	for _, head := range order {
		if g.over(width) <= 0 {
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

// line returns the cells of a row that are beside each other.
func (g *grid) line(row []string) string {
	var b strings.Builder
	for i, col := range g.shown {
		if i > 0 {
			b.WriteString("  ")
		}
		cell := cutText(row[col], g.widths[col], kept(g.heads[col]))
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(g.widths[col]-TextWidth(cell), 0)))
	}
	return strings.TrimRight(b.String(), " ")
}

// under returns the lines under a row.
func (g *grid) under(row []string, width int) (lines []string) {
	const indent = "    "
	var details []string
	if first := g.shown[0]; g.most > 0 && g.heads[first] == "KEY" && TextWidth(row[first]) > g.widths[first] {
		details = append(details, row[first])
	}
	for _, col := range g.below {
		switch cell := row[col]; {
		case !says(g.heads[col], cell):
		case prose(g.heads[col]):
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

// text returns rows with the lines under them, after the head unless it is nil.
func (g *grid) text(head []string, rows [][]string, width int) string {
	var b strings.Builder
	if head != nil {
		b.WriteString(g.line(head) + "\n")
	}
	for _, row := range rows {
		b.WriteString(strings.Join(append([]string{g.line(row)}, g.under(row, width)...), "\n") + "\n")
	}
	return b.String()
}

// like returns later rows with times in the short form that the layout uses.
func (g *grid) like(rows [][]string, now time.Time, width int) [][]string {
	if width == 0 {
		return rows
	}
	later := grid{heads: g.heads, rows: rows}
	later.shorten(now)
	return later.rows
}

// Table writes rows, of which the first is their head. On a terminal it fits them to the width.
func (c *Console) Table(rows [][]string) error {
	g, width := newGrid(rows), c.TerminalWidth()
	if width > 0 {
		g.fit(width, c.Now())
	}
	if err := c.Print("%s", g.text(g.heads, g.rows, width)); err != nil || len(g.same) == 0 {
		return err
	}
	c.Say("in every row: %s; --wide shows all columns", strings.Join(g.same, ", "))
	return nil
}
