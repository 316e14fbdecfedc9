package inbox

import "time"

// Suspect is a release of a plugin that is being started or run and has not yet survived it, or that was set aside. It is
// stored before the release is started, and before its first attempt in a life of the program, so that the next start
// knows what ran when the program died.
type CrashRecord struct {
	Plugin     string
	Release    string
	Term       Term      // of the process that wrote it: its end alone says something about the release
	Running    bool      // it was started, or makes attempts, and has not survived that yet
	Ends       int       // unclean ends of the program in a row with it running
	DisabledAt time.Time // since when it is set aside; zero: it is not
	Why        string    // why it is set aside
}

// WhyBlamed is why a release is set aside of which it is concluded that it ends the program.
const WhyBlamed = "the program ended while it was the only suspect that ran"

// SuspectAfter is how many unclean ends in a row make a release that ran in all of them a suspect.
const CrashLoopAfter = 3

// Suspected reports whether the release may only run while no other suspect does.
func (s *CrashRecord) InCrashLoop() bool { return s.DisabledAt.IsZero() && s.Ends >= CrashLoopAfter }

// Reckon decides, at a start, what an unclean end says about the releases of list: the only place that does. It is pure.
// It returns those that are still to be known; after a clean end there are only ones that were set aside, which it leaves.
//
//   - A suspect that alone of the suspects was running is the culprit: it is set aside. The other suspects have yet to
//     have their turn.
//   - When suspects were known and none of them was running, something else ends the program: suspicion is over.
//   - Otherwise each that was running has one more end in a row; the row of each that was not is broken.
func CountCrashes(list []CrashRecord, now time.Time) []CrashRecord {
	alone := ranAlone(list)
	var known []CrashRecord
	for _, s := range list {
		switch {
		case !s.DisabledAt.IsZero():
		case alone && s.InCrashLoop() && s.Running:
			s.DisabledAt, s.Why = now, WhyBlamed
		case alone && s.InCrashLoop(): // has yet to have its turn
		case alone || !s.Running:
			continue
		default:
			s.Ends++
		}
		s.Running = false
		known = append(known, s)
	}
	return known
}

// ranAlone reports whether exactly one suspected release was running.
func ranAlone(list []CrashRecord) bool {
	n := 0
	for i := range list {
		if list[i].InCrashLoop() && list[i].Running {
			n++
		}
	}
	return n == 1
}

// Aside sets the live release of a plugin aside: the one before it runs in its place until its file changes.
type Disable struct {
	Release string
	Why     string
}
