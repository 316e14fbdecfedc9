// Command peers measures other queues on SQLite in the same way as `inbox bench` measures inbox. A function that does nothing
// handles jobs that are already stored. A job counts when its completion is durable. Command peers is a separate module, so that
// inbox does not depend on these queues.
//
//	peers QUEUE DIR N
//
// prints the rate of N jobs of QUEUE (goqite or river) in a database in DIR, in jobs per second.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	_ "modernc.org/sqlite"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: peers goqite|river DIR N")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	// Both queues recommend a single connection. The pragmas are the same as in inbox.
	db, err := sql.Open("sqlite", "file:"+filepath.Join(args[1], args[0]+".db")+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var perSecond float64
	switch args[0] {
	case "goqite":
		perSecond, err = goqiteRate(ctx, db, n)
	case "river":
		perSecond, err = riverRate(ctx, db, n)
	default:
		err = fmt.Errorf("no queue is called %s", args[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	_, err = fmt.Printf("%.1f\n", perSecond)
	return err
}

// body returns the body of a job: 1 KiB, as the events of inbox.
func body() []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
