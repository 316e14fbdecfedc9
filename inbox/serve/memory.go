package serve

import (
	"fmt"
	"runtime"

	"inbox/inbox/config"
	"inbox/inbox/host"
	"inbox/inbox/intake"
	"inbox/inbox/outbox"
	"inbox/inbox/release"
	"inbox/inbox/store"
)

// MemoryPart is one part of the maximum memory of the process.
type MemoryPart struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	mapped int64  // bytes outside Go's heap
}

// Measured with `inbox bench --only memory`: 70 MB under load without plugins, 119 MB with ten million events.
const (
	baseBytes  = 128 << 20
	baseMapped = 64 << 20 // the program's own pages, and SQLite's
	eventBytes = 8        // per event, for de-duplication
)

// memory sums up the maximum memory of the program and its plugins.
type memory struct {
	document int64 // bytes of the largest document
	fixed    []MemoryPart
	plugins  []MemoryPart
	stacks   MemoryPart
	largest  int64 // bytes of the largest module
	swap     MemoryPart
}

// newMemory returns the maximum memory of the program without plugins.
func newMemory(s *config.Settings, events int64) *memory {
	m := &memory{}
	sources := s.IntakeSources()
	for _, source := range sources {
		m.document = max(m.document, source.MaxBody)
	}
	budget := intake.BudgetSize(sources, intake.DefaultInFlight)
	m.fixed = []MemoryPart{
		{Name: "the program and its store", Bytes: baseBytes + eventBytes*events, mapped: baseMapped},
		{Name: "webhooks that are being received and stored", Bytes: budget + store.DefaultQueueBytes},
	}
	return m
}

// sentBytes returns the bound of the bytes of requests that are sent at the same time. The largest document fits into the half that one
// plugin has.
func sentBytes(document int64) int64 { return max(outbox.DefaultBytes, 2*document) }

// add adds a plugin.
func (m *memory) add(name string, n host.Need, size int64) {
	own := n.Memories + n.Rest + n.Code
	m.plugins = append(m.plugins, MemoryPart{
		Name: fmt.Sprintf("plugin %s, %d instances", name, n.Instances), Bytes: own, mapped: n.Mapped,
	})
	m.stacks.Bytes += n.Stacks
	m.largest = max(m.largest, size)
	if n.Total() > m.swap.Bytes {
		m.swap = MemoryPart{Bytes: n.Total(), mapped: n.Mapped}
	}
}

// parts returns all parts.
func (m *memory) parts() []MemoryPart {
	all := append(m.fixed, m.plugins...)
	if len(m.plugins) == 0 {
		return all
	}
	m.stacks.Name = "stacks, if every instance recurses until it is ended"
	m.swap.Name = "a new release beside the one before it"
	sent := MemoryPart{Name: "requests that are sent, and their responses", Bytes: sentBytes(m.document) + outbox.DefaultTotal*2*maxAnswer}
	return append(all, m.stacks, m.swap, sent, MemoryPart{Name: "compiling a module", Bytes: host.CompileNeed(m.largest)})
}

// Memory returns the maximum memory of `serve`, in parts. events is the number of stored events; the plugins are those in the folder. It excludes plugins that cannot become a release, and returns their names in skipped.
func Memory(s *config.Settings, events int64) (parts []MemoryPart, skipped []string, err error) {
	m := newMemory(s, events)
	err = release.Scan(s.Plugins, parallel(), func(f release.Found) {
		if f.Stray {
			return
		}
		n, bad := host.Needs(f.Wasm, &f.Manifest, m.document)
		if f.Err != nil || bad != nil {
			skipped = append(skipped, f.Plugin)
			return
		}
		m.add(f.Plugin, n, int64(len(f.Wasm)))
	})
	return m.parts(), skipped, err
}

// parallel returns the default concurrency of a plugin.
func parallel() int { return runtime.GOMAXPROCS(0) }

// programs holds the compiled programs of the live releases, by plugin.
type programs map[string]*host.Program

// change records a plugin's new program, or removes the plugin.
func (r programs) change(c release.Change) {
	delete(r, c.Plugin)
	if c.Live != nil {
		r[c.Plugin] = c.Live.Program
	}
}

// memory returns the maximum memory of the program with these plugins.
func (r programs) memory(s *config.Settings, events int64) *memory {
	m := newMemory(s, events)
	for name, p := range r {
		m.add(name, p.Need(m.document), int64(p.Info().Size))
	}
	return m
}

// heapLimit returns the bytes of the parts that are in Go's heap. It is set as the memory limit, so that garbage does not double the
// heap.
func heapLimit(parts []MemoryPart) (bytes int64) {
	for _, p := range parts {
		bytes += p.Bytes - p.mapped
	}
	return bytes
}
