package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

type jobArgs struct {
	Body []byte `json:"body"`
}

// Kind names the job.
func (jobArgs) Kind() string { return "nothing" }

type worker struct {
	river.WorkerDefaults[jobArgs]
}

// Work does nothing.
func (*worker) Work(context.Context, *river.Job[jobArgs]) error { return nil }

// riverRate runs jobs with River's client, which completes them in batches. Its poll intervals are the shortest that it accepts.
func riverRate(ctx context.Context, db *sql.DB, n int) (float64, error) {
	driver := riversqlite.New(db)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return 0, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{})
	client, err := river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1000}}, Workers: workers,
		FetchCooldown: river.FetchCooldownMin, FetchPollInterval: river.FetchPollIntervalMin,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return 0, err
	}
	const step = 100 // River inserts a batch in one statement
	for at := 0; at < n; at += step {
		var batch []river.InsertManyParams
		for range min(step, n-at) {
			batch = append(batch, river.InsertManyParams{Args: jobArgs{Body: body()[:768]}}) // 1 KiB as JSON
		}
		if _, err := client.InsertMany(ctx, batch); err != nil {
			return 0, err
		}
	}
	// The event arrives after the completion is stored. The channel has space for all of them.
	done, cancel := client.SubscribeConfig(&river.SubscribeConfig{ChanSize: n, Kinds: []river.EventKind{river.EventKindJobCompleted}})
	defer cancel()
	began := time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, err
	}
	for range n {
		<-done
	}
	took := time.Since(began).Seconds()
	if err := client.Stop(ctx); err != nil {
		return 0, err
	}
	var completed int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM river_job WHERE state = 'completed'`).Scan(&completed); err != nil {
		return 0, err
	}
	if completed != n {
		return 0, fmt.Errorf("%d of %d jobs are completed", completed, n)
	}
	return float64(n) / took, nil
}
