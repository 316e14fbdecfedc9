package console

import (
	"fmt"
	"strings"
	"time"

	"inbox/inbox"
)

// Intervals between updates: on a terminal the line is redrawn, elsewhere a new line is written.
const (
	drawEvery = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// Progress shows the progress of a long command on standard error.
type Progress struct {
	c     *Console
	start time.Time
	shown time.Time // of the last update
	drawn bool
	Share bool // the counts are estimates: only the percentage is shown
}

// NewProgress returns the progress of work that starts now.
func (c *Console) NewProgress() *Progress { return &Progress{c: c, start: c.Now()} }

// Show shows that done of total items are done, with a remark. It does nothing in the first half second, and shortly after the last
// update.
func (g *Progress) Show(done, total int64, remark string) {
	now := g.c.Now()
	every := lineEvery
	if g.c.ErrTerminal {
		every = drawEvery
	}
	if g.c.Quiet || g.c.InJSON() || now.Sub(g.start) < 500*time.Millisecond || now.Sub(g.shown) < every {
		return
	}
	g.shown = now
	write := progressText
	if g.Share {
		write = shareText
	}
	text := write(done, total, now.Sub(g.start), inbox.Printable(remark))
	if g.c.ErrTerminal {
		fmt.Fprintf(g.c.Err, "\r\x1b[K%s", text)
		g.drawn = true
		return
	}
	fmt.Fprintf(g.c.Err, "inbox: %s\n", text)
}

// End removes the drawn progress.
func (g *Progress) End() {
	if g.drawn {
		fmt.Fprint(g.c.Err, "\r\x1b[K")
	}
}

// progressText returns a bar, the numbers, the rate, and the time left at this rate.
func progressText(done, total int64, elapsed time.Duration, remark string) string {
	text := fmt.Sprintf("%s %d/%d", bar(done, total), done, total)
	if elapsed > 0 && done > 0 {
		text += fmt.Sprintf(" · %.0f/s", float64(done)/elapsed.Seconds())
	}
	return text + etaText(done, total, elapsed, remark)
}

// shareText returns a bar, the percentage, and the time left at this rate.
func shareText(done, total int64, elapsed time.Duration, remark string) string {
	return fmt.Sprintf("%s %d %%", bar(done, total), min(done, total)*100/max(total, 1)) + etaText(done, total, elapsed, remark)
}

func bar(done, total int64) string {
	const width = 24
	filled := 0
	if total > 0 {
		filled = int(min(done, total) * width / total)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

// etaText returns the time left at the rate so far, and the remark.
func etaText(done, total int64, elapsed time.Duration, remark string) (text string) {
	if elapsed > 0 && done > 0 && done < total {
		text = " · eta " + Duration(time.Duration(float64(elapsed)/float64(done)*float64(total-done)))
	}
	if remark != "" {
		text += " · " + remark
	}
	return text
}
