package inbox

import (
	"strconv"
	"strings"
	"time"
)

// Why a request was refused, beside the words for a signature that does not pass (package qoreid).
const (
	RefusedTooLarge    = "too_large"   // larger than the source takes, as sent or decoded
	RefusedPath        = "not_found"   // no source has the path
	RefusedMethod      = "method"      // neither POST nor the method of a probe
	RefusedBusy        = "busy"        // too many bodies were being received
	RefusedSlow        = "slow"        // the body arrived too slowly
	RefusedIncomplete  = "incomplete"  // the body ended before it was complete
	RefusedConnections = "connections" // too many connections were open
	RefusedUnreadable  = "unreadable"  // what came was not a request in HTTP, or its head was too large or not complete in time
)

// Refusal counts requests that were refused for one reason within an hour.
type Refusal struct {
	Source string // empty when none has the path, and for connections
	Why    string
	Lost   bool // they had a signature that could be right, and nothing of them was kept
	Hour   time.Time
	Count  int64
	LastAt time.Time
}

// Says tells what happened, and hint what to do about it.
func (r *Refusal) Says() (text, hint string) {
	what, were := "requests", "were"
	switch {
	case r.Why == RefusedConnections:
		what = "connections"
	case r.Lost:
		what = "signed webhooks"
	}
	if r.Count == 1 {
		what, were = strings.TrimSuffix(what, "s"), "was"
	}
	text = strconv.FormatInt(r.Count, 10) + " " + what
	if r.Source != "" {
		text += " of source " + r.Source
	}
	does, hint := r.did(were)
	return text + " " + does, hint
}

// did says what requests did and what became of them.
func (r *Refusal) did(were string) (text, hint string) {
	const again = "; the sender was asked to send again"
	switch r.Why {
	case RefusedTooLarge:
		return were + " larger than max_body and not received (413); the signature of a body that is not read cannot be checked",
			"raise max_body of the source, and have them sent again"
	case RefusedPath:
		return "were sent to a path that no source has (404)", "compare the address in QoreID's dashboard with the path of the source; the log names the path"
	case RefusedMethod:
		return "came with another method than POST (405)", "look for a redirect or a proxy that changes the method"
	case RefusedBusy:
		return were + " answered 503, because too many bodies were being received" + again, "the log names the addresses: bound them in the proxy"
	case RefusedSlow:
		return "arrived too slowly and " + were + " given up (408)" + again, "look at the network and at the proxy before inbox"
	case RefusedIncomplete:
		return "ended before the body was complete (400)", "look at the time limits of the proxy before inbox"
	case RefusedUnreadable:
		return "could not be read as HTTP: not HTTP at all, a head of more than 32 KiB, or one that did not come in 5 s",
			"the log names the addresses: where one is your proxy's, look at the headers it adds"
	case RefusedConnections:
		return were + " closed, because too many were open", "the log names the addresses: bound them in the proxy, and name the proxy in trusted_proxies"
	}
	if r.Lost {
		return "did not pass (" + r.Why + ") and " + were + " not kept: the address sends too many", "`inbox secret check` says why"
	}
	return "did not pass (" + r.Why + ")", "`inbox secret check` says why"
}
