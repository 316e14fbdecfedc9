// Command inbox receives every QoreID webhook, keeps it before it answers, and leads it, in order, through plugins.
package main

import (
	"os"

	"inbox/inbox/cli"
)

func main() { os.Exit(cli.Main()) }
