package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"inbox/inbox"
	"inbox/inbox/intake"
	"inbox/inbox/qoreid"
)

const (
	bodySize    = 1024
	connections = 64
	path        = "/webhooks/qoreid"
)

// secret signs the webhooks of a measurement.
const secret = "a secret to measure with"

// benchSource returns the source of all events.
func benchSource() intake.Source {
	secrets := []qoreid.Secret{{Name: "bench", Key: []byte(secret)}}
	return intake.Source{Name: "qoreid", Path: path, Secrets: func() []qoreid.Secret { return secrets }}
}

// body returns a webhook's body of size bytes, about the entity id. n makes it unique.
func body(id, n, size int) []byte {
	text := fmt.Sprintf(`{"event":"workflow","event_type":"step_verification_completed","data":{"id":%d,"customerReference":"customer-%d",`+
		`"status":{"state":"in_progress","status":"verified"},"step":%d,"pad":"`, id, id, n)
	return []byte(text + strings.Repeat("x", max(size-len(text)-3, 0)) + `"}}`)
}

// arrivals returns n verified arrivals about keys entities.
func arrivals(n, keys, size int) ([]*inbox.Arrival, error) {
	list := make([]*inbox.Arrival, n)
	source := benchSource()
	for i := range list {
		b := body(1_000_000+i%keys, i, size)
		headers := []inbox.Header{{Name: qoreid.DefaultHeader, Value: qoreid.Sign(qoreid.SHA512, []byte(secret), b)}}
		a, why, err := source.Verify(b, headers, inbox.FromWebhook, time.Now(), time.Time{})
		if err != nil {
			return nil, fmt.Errorf("verify our own body: %w", err)
		}
		if why != "" {
			return nil, errors.New("our own signature is rejected: " + why)
		}
		list[i] = a
	}
	return list, nil
}

// requests returns n signed HTTP requests, each with another entity and body.
func requests(from, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		b := body(1_000_000+from+i, 0, bodySize)
		list[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: inbox\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
			path, qoreid.DefaultHeader, qoreid.Sign(qoreid.SHA512, []byte(secret), b), len(b), b)
	}
	return list
}

// pace returns the time of request i, counted from the beginning. Without a pace a request is sent when its connection is free.
type pace func(i int) time.Duration

// drive sends requests over persistent connections. It returns the total time, and the wait of each request for its answer, in
// seconds. It does not use net/http, because it shares the processor with the measured program and must cost less than it.
func drive(ctx context.Context, address string, list [][]byte, at pace) (whole float64, waits []float64, err error) {
	waits = make([]float64, len(list))
	errs := make([]error, connections)
	var wg sync.WaitGroup
	began := time.Now()
	for c := range connections {
		wg.Go(func() { errs[c] = share(ctx, address, list, waits, c, began, at) })
	}
	wg.Wait()
	return time.Since(began).Seconds(), waits, errors.Join(errs...)
}

// share sends the requests of one connection: every connections-th, from the one at index first.
func share(ctx context.Context, address string, list [][]byte, waits []float64, first int, began time.Time, at pace) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r := bufio.NewReader(conn)
	timer := time.NewTimer(0)
	for i := first; i < len(list); i += connections {
		sent := time.Now()
		if at != nil {
			due := began.Add(at(i))
			timer.Reset(time.Until(due))
			<-timer.C
			sent = due // the wait includes the delay by earlier answers
		}
		if _, err := conn.Write(list[i]); err != nil {
			return err
		}
		if err := answer(r); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
		waits[i] = time.Since(sent).Seconds()
	}
	return nil
}

// answer reads one answer. It returns an error unless the status is 200.
func answer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.Contains(line, []byte(" 200 ")) {
		return fmt.Errorf("answered %q", bytes.TrimSpace(line))
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
