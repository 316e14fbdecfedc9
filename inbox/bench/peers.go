package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"inbox/inbox"
)

// peerSource is the directory of the program that measures other queues, from the root of a checkout.
const peerSource = "inbox/bench/peers"

// peers compares deliveries with other queues on SQLite, which keep no order.
func peers(ctx context.Context, l *lab) (comparison, error) {
	program, err := l.peerProgram(ctx)
	if err != nil {
		return comparison{}, err
	}
	g, err := l.guest(ctx, noop, inbox.ByKey)
	if err != nil {
		return comparison{}, err
	}
	n := l.scale(30_000)
	list, err := arrivals(n, 10_000, bodySize)
	if err != nil {
		return comparison{}, errors.Join(err, g.close())
	}
	return comparison{end: g.close, round: func(ctx context.Context) error {
		r, err := l.filled(ctx, list)
		if err != nil {
			return err
		}
		ours, err := g.deliver(ctx, r, n)
		if err := errors.Join(err, r.remove()); err != nil {
			return err
		}
		for name, figure := range map[string]string{"goqite": "peer.goqite", "river": "peer.river_sqlite"} {
			theirs, err := l.peerRate(ctx, program, name, l.scale(5000))
			if err != nil {
				return err
			}
			l.add(figure, ours/theirs)
		}
		return nil
	}}, nil
}

// peerProgram returns the path of the program that measures other queues. Without Options.Peers it builds the program.
func (l *lab) peerProgram(ctx context.Context) (string, error) {
	if l.opt.Peers != "" {
		return filepath.Abs(l.opt.Peers)
	}
	program := filepath.Join(l.dir, "peers.exe")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", peerSource, "-o", program, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", errSkipped(fmt.Sprintf("build it from %s in a checkout, and name it with --peers: %v: %s", peerSource, err, strings.TrimSpace(string(text))))
	}
	return program, nil
}

// peerRate measures n jobs of another queue, and returns jobs per second.
func (l *lab) peerRate(ctx context.Context, program, queue string, n int) (float64, error) {
	dir, err := l.newDir()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	out, err := exec.CommandContext(ctx, program, queue, dir, strconv.Itoa(n)).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return 0, fmt.Errorf("measure %s: %w: %s", queue, err, exit.Stderr)
		}
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
