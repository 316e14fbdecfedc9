package bench

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver of the naive handler

	"inbox/inbox"
	"inbox/inbox/qoreid"
)

// plain returns a handler that reads the body and answers.
func plain() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte(`{"status":"stored"}`))
	})
}

// nullStore is a keeper that stores nothing.
type nullStore struct{}

// Accept answers that the event is stored.
func (nullStore) Accept(context.Context, *inbox.Arrival) (inbox.Receipt, error) {
	return inbox.Receipt{ID: "evt_1", Seq: 1, Status: inbox.Stored}, nil
}

// Refuse drops the request.
func (nullStore) Refuse(context.Context, *inbox.Refused) error { return nil }

// Ready always returns nil.
func (nullStore) Ready(context.Context) error { return nil }

// naiveRate returns the rate of a naive handler: it checks the signature, parses the body and runs a transaction per request, on a
// pool of connections that wait for each other.
func (l *lab) naiveRate(ctx context.Context, list [][]byte) (perSecond float64, err error) {
	dir, err := l.newDir()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "naive.db")+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `CREATE TABLE events (id INTEGER PRIMARY KEY, key TEXT, body BLOB)`); err != nil {
		return 0, err
	}
	return rate(ctx, naive(db), list)
}

func naive(db *sql.DB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "cannot read", http.StatusBadRequest)
			return
		}
		mac := hmac.New(sha512.New, []byte(secret))
		mac.Write(body)
		if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get(qoreid.DefaultHeader))) {
			http.Error(w, "wrong signature", http.StatusUnauthorized)
			return
		}
		var envelope struct {
			Data struct {
				ID json.Number `json:"id"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		// A busy database is an error. The sender would send again; this handler retries at once.
		for err := insert(r.Context(), db, envelope.Data.ID.String(), body); err != nil; err = insert(r.Context(), db, envelope.Data.ID.String(), body) {
			if r.Context().Err() != nil {
				http.Error(w, "cannot store", http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = w.Write([]byte(`{"status":"stored"}`))
	})
}

func insert(ctx context.Context, db *sql.DB, key string, body []byte) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO events (key, body) VALUES (?, ?)`, key, body); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
