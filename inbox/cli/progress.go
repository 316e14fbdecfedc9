package cli

import (
	"fmt"
	"strings"
	"time"
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
}

func (p *program) newProgress() *progress { return &progress{p: p, began: p.now()} }

// show shows that done of total are done, with a remark, if it is time to.
func (g *progress) show(done, total int64, remark string) {
	now := g.p.now()
	every := lineEvery
	if g.p.errTerminal {
		every = drawEvery
	}
	if g.p.quiet || now.Sub(g.began) < 500*time.Millisecond || now.Sub(g.shown) < every {
		return
	}
	g.shown = now
	text := progressText(done, total, now.Sub(g.began), remark)
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
	const width = 24
	filled := 0
	if total > 0 {
		filled = int(min(done, total) * width / total)
	}
	text := fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", filled), strings.Repeat(".", width-filled), done, total)
	if took > 0 && done > 0 {
		rate := float64(done) / took.Seconds()
		text += fmt.Sprintf(" · %.0f/s", rate)
		if left := total - done; left > 0 {
			text += " · eta " + short(time.Duration(float64(left)/rate*float64(time.Second)))
		}
	}
	if remark != "" {
		text += " · " + remark
	}
	return text
}
