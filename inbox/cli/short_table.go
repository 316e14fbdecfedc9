package cli

import "github.com/urfave/cli/v2"

// tableLimit bounds the rows of a table on a terminal without --limit.
const tableLimit = 100

// shortTable is a list that may be shown in part: a table on a terminal whose command has no --limit.
type shortTable struct {
	p  *program
	on bool
}

// shortTable sets limit to tableLimit for a table on a terminal without --limit.
func (p *program) shortTable(c *cli.Context, limit *int) shortTable {
	s := shortTable{p: p, on: !c.IsSet("limit") && p.Format == "table" && p.OutTerminal}
	if s.on {
		*limit = tableLimit
	}
	return s
}

// end reports that there may be more rows than the n that were written.
func (s shortTable) end(n int) {
	if s.on && n == tableLimit {
		s.p.Say("there may be more than these %d: --limit 0 shows all", tableLimit)
	}
}
