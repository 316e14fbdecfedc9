package console

import (
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Narrowest is the smallest width of a terminal to which output is fitted.
const Narrowest = 20

// TerminalWidth returns the number of columns of standard output: COLUMNS, else the width of the terminal, and at least Narrowest. Zero
// means unbounded: standard output is not a terminal, its width is unknown, or --wide was given.
func (c *Console) TerminalWidth() int {
	if !c.OutTerminal || c.Wide {
		return 0
	}
	n, err := strconv.Atoi(c.Getenv("COLUMNS"))
	if err != nil || n <= 0 {
		f, isFile := c.Out.To.(*os.File)
		if !isFile {
			return 0
		}
		if n, _, err = term.GetSize(int(f.Fd())); err != nil || n <= 0 {
			return 0
		}
	}
	return max(n, Narrowest)
}

// wideRunes take two columns of a terminal: East Asian Width W and F (https://www.unicode.org/reports/tr11/), and emoji.
var wideRunes = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x231a, Hi: 0x231b, Stride: 1}, {Lo: 0x23e9, Hi: 0x23f3, Stride: 1}, {Lo: 0x2614, Hi: 0x2615, Stride: 1},
		{Lo: 0x2648, Hi: 0x2653, Stride: 1}, {Lo: 0x26a1, Hi: 0x26a1, Stride: 1}, {Lo: 0x26bd, Hi: 0x26be, Stride: 1}, {Lo: 0x26d4, Hi: 0x26d4, Stride: 1},
		{Lo: 0x2705, Hi: 0x2705, Stride: 1}, {Lo: 0x270a, Hi: 0x270b, Stride: 1}, {Lo: 0x2728, Hi: 0x2728, Stride: 1}, {Lo: 0x274c, Hi: 0x274e, Stride: 2},
		{Lo: 0x2753, Hi: 0x2757, Stride: 1}, {Lo: 0x2795, Hi: 0x2797, Stride: 1}, {Lo: 0x2b1b, Hi: 0x2b1c, Stride: 1}, {Lo: 0x2b50, Hi: 0x2b55, Stride: 5},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1}, {Lo: 0x3041, Hi: 0x4dbf, Stride: 1}, {Lo: 0x4e00, Hi: 0xa4cf, Stride: 1}, {Lo: 0xa960, Hi: 0xa97f, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x16fe0, Hi: 0x18aff, Stride: 1}, {Lo: 0x1b000, Hi: 0x1b2ff, Stride: 1}, {Lo: 0x1f004, Hi: 0x1f004, Stride: 1}, {Lo: 0x1f0cf, Hi: 0x1f0cf, Stride: 1},
		{Lo: 0x1f18e, Hi: 0x1f19a, Stride: 1}, {Lo: 0x1f200, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1}, {Lo: 0x1f7e0, Hi: 0x1f7f0, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1faff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

// runeWidth returns the number of terminal columns of a character: zero for combining marks.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0x1160 && r <= 0x11ff:
		return 0
	case unicode.Is(wideRunes, r):
		return 2
	}
	return 1
}

// TextWidth returns the number of terminal columns of a text.
func TextWidth(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// headOf returns the longest beginning of a text that takes at most width columns. Combining marks stay with their characters.
func headOf(text string, width int) string {
	n := 0
	for i, r := range text {
		if n += runeWidth(r); n > width {
			return text[:i]
		}
	}
	return text
}

// tailOf returns the longest end of a text that takes at most width columns.
func tailOf(text string, width int) string {
	skip := TextWidth(text) - width
	if skip <= 0 {
		return text
	}
	n := 0
	for i, r := range text {
		w := runeWidth(r)
		if n >= skip && w > 0 {
			return text[i:]
		}
		n += w
	}
	return ""
}

// keep is the part of a text that remains when the text is cut.
type keep int

const (
	keepHead keep = iota
	keepTail
	keepBoth
)

// cutText cuts a text to at most width columns, and marks the cut with …
func cutText(text string, width int, k keep) string {
	if TextWidth(text) <= width {
		return text
	}
	room := max(width-1, 0)
	switch k {
	case keepTail:
		return "…" + tailOf(text, room)
	case keepBoth:
		return headOf(text, room-room/2) + "…" + tailOf(text, room/2)
	}
	return headOf(text, room) + "…"
}

// Wrap breaks a text into lines of at most width columns: at the last space that fits, or inside a word that is longer than a line. A
// width of zero means unbounded.
func Wrap(text string, width int) (lines []string) {
	for width > 0 && TextWidth(text) > width {
		line := headOf(text, width)
		if at := strings.LastIndexByte(text[:min(len(line)+1, len(text))], ' '); at > 0 && strings.TrimSpace(text[:at]) != "" {
			line = text[:at]
		}
		if line == "" { // one character is wider than the line
			return append(lines, text)
		}
		lines = append(lines, strings.TrimRight(line, " "))
		text = strings.TrimLeft(text[len(line):], " ")
	}
	return append(lines, text)
}
