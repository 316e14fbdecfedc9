package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sync"
	"time"

	"maragu.dev/goqite"
)

// goqiteRate receives and deletes messages in one goroutine per processor.
func goqiteRate(ctx context.Context, db *sql.DB, n int) (float64, error) {
	schema, err := goqiteSchema()
	if err != nil {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return 0, err
	}
	q := goqite.New(goqite.NewOpts{DB: db, Name: "jobs", Timeout: time.Minute})
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	for range n {
		if err := q.SendTx(ctx, tx, goqite.Message{Body: body()}); err != nil {
			return 0, errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	began := time.Now()
	for w := range workers {
		wg.Go(func() {
			for errs[w] == nil {
				m, err := q.Receive(ctx)
				if err != nil || m == nil {
					errs[w] = err
					return
				}
				errs[w] = q.Delete(ctx, m.ID)
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds(), errors.Join(errs...)
}

// goqiteSchema reads the schema from goqite's source, from which goqite's users copy it.
func goqiteSchema() (string, error) {
	file, _ := runtime.FuncForPC(reflect.ValueOf(goqite.New).Pointer()).FileLine(reflect.ValueOf(goqite.New).Pointer())
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "schema_sqlite.sql"))
	return string(text), err
}
