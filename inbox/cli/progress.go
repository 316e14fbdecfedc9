package cli

import (
	"fmt"
	"strings"
	"time"

	"inbox/inbox"
)

// How often progress is shown: redrawn on a terminal, a line of its own elsewhere.
const (
	drawEvery = 200 * time.Millisecond
	lineEvery = 5 * time.Second
)

// progress shows how far a long command has come, on standard error.
type progress struct {
	p     *program
	began time.Time
	shown time.Time
	drawn bool
	share bool // what is counted is only an estimate: a share of the whole is shown
}

func (p *program) newProgress() *progress { return &progress{p: p, began: p.now()} }

// show shows that done of total are done, with a remark, if it is time to.
func (g *progress) show(done, total int64, remark string) {
	now := g.p.now()
	every := lineEvery
	if g.p.errTerminal {
		every = drawEvery
	}
	if g.p.quiet || g.p.inJSON() || now.Sub(g.began) < 500*time.Millisecond || now.Sub(g.shown) < every {
		return
	}
	g.shown = now
	write := progressText
	if g.share {
		write = shareText
	}
	text := write(done, total, now.Sub(g.began), inbox.Printable(remark))
	if g.p.errTerminal {
		fmt.Fprintf(g.p.err, "\r\x1b[K%s", text)
		g.drawn = true
		return
	}
	fmt.Fprintf(g.p.err, "inbox: %s\n", text)
}

// end removes what was drawn.
func (g *progress) end() {
	if g.drawn {
		fmt.Fprint(g.p.err, "\r\x1b[K")
	}
}

// progressText writes a bar, the numbers, the rate, and the time that is left if it goes on like this.
func progressText(done, total int64, took time.Duration, remark string) string {
	text := fmt.Sprintf("%s %d/%d", bar(done, total), done, total)
	if took > 0 && done > 0 {
		text += fmt.Sprintf(" · %.0f/s", float64(done)/took.Seconds())
	}
	return text + ahead(done, total, took, remark)
}

// shareText writes a bar, which share is done, and the time that is left if it goes on like this.
func shareText(done, total int64, took time.Duration, remark string) string {
	return fmt.Sprintf("%s %d %%", bar(done, total), min(done, total)*100/max(total, 1)) + ahead(done, total, took, remark)
}

func bar(done, total int64) string {
	const width = 24
	filled := 0
	if total > 0 {
		filled = int(min(done, total) * width / total)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

func ahead(done, total int64, took time.Duration, remark string) (text string) {
	if took > 0 && done > 0 && done < total {
		text = " · eta " + short(time.Duration(float64(took)/float64(done)*float64(total-done)))
	}
	if remark != "" {
		text += " · " + remark
	}
	return text
}
