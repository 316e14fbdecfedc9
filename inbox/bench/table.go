package bench

// figureSpec describes a figure and its target.
type figureSpec struct {
	name  string
	unit  string
	op    string // ">=", "<=" or empty: no target
	bound float64
	what  string
}

const (
	ratio   = "ratio"
	perSec  = "per s"
	seconds = "s"
	octets  = "B"
	mega    = "MB"
	micros  = "µs"
)

// table lists all figures in display order.
var table = []figureSpec{
	{"disk.fsync", perSec, "", 0, "overwrites of 4 KiB, each flushed, by one thread"},
	{"accept.one", perSec, "", 0, "events accepted one after another, each durable before the next"},
	{"accept.one.vs_fsync", ratio, ">=", 0.75, "accept.one ÷ disk.fsync"},
	{"accept.http64", perSec, "", 0, "signed 1 KiB webhooks answered 200, over 64 connections"},
	{"accept.http64.vs_nostore", ratio, ">=", 0.5, "÷ the same handler over a store that keeps nothing"},
	{"accept.http64.vs_plain", ratio, ">=", 0.3, "÷ a handler that reads the body and answers"},
	{"accept.http64.vs_naive", ratio, ">=", 8, "÷ the handler people write: a transaction per request on a pool"},
	{"accept.full.vs_normal", ratio, ">=", 0.9, "÷ the same with synchronous=NORMAL, which a power cut undoes"},
	{"accept.paced.p50.vs_fsync", ratio, "<=", 10, "answer time at a tenth of the full rate ÷ p50 of one fsync"},
	{"accept.paced.p99.vs_fsync", ratio, "<=", 40, "its 99th percentile ÷ p50 of one fsync"},
	{"accept.busy.vs_idle", ratio, ">=", 0.6, "accept.http64 while three plugins work ÷ without plugins"},
	{"deliver.keys10000", perSec, "", 0, "ordered deliveries of 10,000 keys, each settled durably, through a native guest"},
	{"deliver.keys10000.vs_call", ratio, ">=", 0.3, "÷ bare calls of the same guest on as many goroutines"},
	{"deliver.keys100", perSec, "", 0, "the same with 100 keys"},
	{"deliver.keys100.vs_call", ratio, ">=", 0.3, "÷ bare calls of the same guest on as many goroutines"},
	{"deliver.go", perSec, "", 0, "the same with a guest in Go"},
	{"deliver.go.vs_call", ratio, ">=", 0.7, "÷ bare calls of the same guest on as many goroutines"},
	{"deliver.onekey", perSec, "", 0, "deliveries of one key, one after another"},
	{"deliver.onekey.vs_fsync", ratio, ">=", 3, "÷ disk.fsync"},
	{"deliver.state", perSec, "", 0, "deliveries of 10,000 keys that each write a state document of 1 KiB"},
	{"deliver.state.vs_plain", ratio, ">=", 0.6, "÷ the same without state"},
	{"deliver.effect", perSec, "", 0, "deliveries of 10,000 keys that each ask for a request of 1 KiB, which is stored and not sent"},
	{"deliver.effect.vs_plain", ratio, ">=", 0.5, "÷ the same without a request"},
	{"deliver.counter", perSec, "", 0, "deliveries of 64 keys that all increment one key of kv"},
	{"deliver.counter.vs_plain", ratio, "", 0, "÷ the same without kv"},
	{"outbox.send", perSec, "", 0, "stored requests of 1 KiB sent to a receiver on loopback, 16 at a time, each settled durably"},
	{"outbox.send.vs_client", ratio, ">=", 0.6, "÷ the same with a bare client of net/http"},
	{"replay", perSec, "", 0, "replayed deliveries of 10,000 keys"},
	{"replay.vs_live", ratio, ">=", 0.7, "÷ the same events delivered for the first time"},
	{"guest.c.fresh", micros, "<=", 150, "p50 of a call of a guest in C, a fresh instance per event, on one core"},
	{"guest.go.reuse", micros, "<=", 200, "p50 of a call of a guest in Go whose instance is kept, on one core"},
	{"guest.go.bare", micros, "", 0, "of it the guest: p50 of a bare call of it, its instructions not counted"},
	{"guest.overhead", micros, "<=", 20, "what the host adds to a bare call of a guest that does nothing, from making the document to the outcome"},
	{"guest.metered.vs_unguarded", ratio, "<=", 1.25, "a bare call of the guest in C, its instructions counted ÷ as it is"},
	{"guest.go.metered.vs_unguarded", ratio, "<=", 1.25, "the same with the guest in Go"},
	{"claim.10k", micros, "", 0, "time to find the next work behind a backlog of 10,000 events"},
	{"claim.1m.vs_10k", ratio, "<=", 1.5, "the same behind a million ÷ claim.10k"},
	{"claim.10m.vs_10k", ratio, "<=", 1.5, "the same behind ten million ÷ claim.10k"},
	{"write.per_event", ratio, "<=", 5, "bytes written to the disk per 1 KiB event ÷ its body, checkpoint included"},
	{"write.per_delivery", octets, "<=", 300, "bytes written to the disk per delivery, checkpoint included"},
	{"write.per_state", octets, "", 0, "bytes written to the disk per delivery that writes a state document of 1 KiB, without those of the delivery"},
	{"write.per_effect", octets, "", 0, "bytes written to the disk per request of 1 KiB, stored, sent and settled, without those of the delivery"},
	{"write.per_send", octets, "", 0, "of it those of the settled try, with its response of 11 bytes"},
	{"memory.load", mega, "<=", 100, "resident memory of the server under full load, without plugins"},
	{"memory.10m", mega, "<=", 250, "resident memory of the server with ten million events, under load"},
	{"start.1m", seconds, "<=", 1, "start of the program to its first 200, with a million events"},
	{"start.10m", seconds, "<=", 3, "the same with ten million"},
	{"peer.goqite", ratio, ">=", 5, "deliver.keys10000 ÷ goqite's, which keeps no order"},
	{"peer.river_sqlite", ratio, ">=", 5, "deliver.keys10000 ÷ River's on SQLite, which keeps no order"},
}

// trials measure the figures.
var trials = []trial{
	{name: "one producer", figures: []string{"disk.fsync", "accept.one", "accept.one.vs_fsync"}, rounds: 5, seconds: 3, begin: oneProducer},
	{name: "the handler", figures: []string{
		"accept.http64", "accept.http64.vs_nostore", "accept.http64.vs_plain", "accept.http64.vs_naive", "accept.full.vs_normal",
	}, rounds: 5, seconds: 5, begin: handlerPath},
	{name: "answer times", figures: []string{"accept.paced.p50.vs_fsync", "accept.paced.p99.vs_fsync"}, rounds: 3, seconds: 5, begin: answerTimes},
	{name: "busy plugins", figures: []string{"accept.busy.vs_idle"}, rounds: 5, seconds: 4, begin: busyPlugins},
	{name: "deliveries, 10,000 keys", figures: []string{"deliver.keys10000", "deliver.keys10000.vs_call", "replay", "replay.vs_live"},
		rounds: 5, seconds: 4, begin: deliveries(10_000)},
	{name: "deliveries, 100 keys", figures: []string{"deliver.keys100", "deliver.keys100.vs_call"}, rounds: 5, seconds: 3, begin: deliveries(100)},
	{name: "deliveries in Go", figures: []string{"deliver.go", "deliver.go.vs_call"}, rounds: 3, seconds: 7, begin: goDeliveries},
	{name: "deliveries with state", figures: []string{"deliver.state", "deliver.state.vs_plain"}, rounds: 5, seconds: 4, begin: stateDeliveries},
	{name: "deliveries with requests", figures: []string{"deliver.effect", "deliver.effect.vs_plain"}, rounds: 5, seconds: 4, begin: effectDeliveries},
	{name: "requests sent", figures: []string{"outbox.send", "outbox.send.vs_client"}, rounds: 5, seconds: 4, begin: sends},
	{name: "one counter", figures: []string{"deliver.counter", "deliver.counter.vs_plain"}, rounds: 5, seconds: 3, begin: counterDeliveries},
	{name: "one key", figures: []string{"deliver.onekey", "deliver.onekey.vs_fsync"}, rounds: 5, seconds: 3, begin: oneKey},
	{name: "guests", figures: []string{"guest.c.fresh", "guest.overhead", "guest.metered.vs_unguarded"}, rounds: 5, seconds: 1, begin: nativeGuests},
	{name: "a guest in Go", figures: []string{"guest.go.reuse", "guest.go.bare", "guest.go.metered.vs_unguarded"}, rounds: 5, seconds: 4, begin: goGuest},
	{name: "bytes written", figures: []string{"write.per_event", "write.per_delivery", "write.per_state", "write.per_effect", "write.per_send"},
		rounds: 3, seconds: 12, begin: bytesWritten},
	{name: "memory under load", figures: []string{"memory.load"}, rounds: 3, seconds: 6, begin: memoryUnderLoad},
	{name: "peers", figures: []string{"peer.goqite", "peer.river_sqlite"}, rounds: 3, seconds: 9, begin: peers},
	{name: "a large log", figures: []string{
		"claim.10k", "claim.1m.vs_10k", "claim.10m.vs_10k", "start.1m", "start.10m", "memory.10m",
	}, rounds: 1, large: true, seconds: 330, begin: largeLog},
}
