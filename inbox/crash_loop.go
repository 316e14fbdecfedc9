package inbox

import "time"

// CrashRecord says that a release was started, or made attempts, and has not survived that yet; or that it is disabled. It is stored
// before the release is started, and before its first attempt in a life of the program. So the next start knows which releases
// ran when the program crashed.
type CrashRecord struct {
	Plugin     string
	Release    string
	Term       Term      // of the process that wrote it: its end alone says something about the release
	Running    bool      // it was started, or makes attempts, and has not survived that yet
	Ends       int       // unclean ends of the program in a row with it running
	DisabledAt time.Time // when it was disabled; zero: it is enabled
	Why        string    // why it is disabled
}

// WhyBlamed is the reason of a release that is disabled because it crashes the program.
const WhyBlamed = "the program ended while only this release of the crash loop ran"

// CrashLoopAfter is the number of unclean ends in a row after which a release that ran in all of them is in a crash loop.
const CrashLoopAfter = 3

// InCrashLoop reports whether the release may run only while no other release of the crash loop runs.
func (s *CrashRecord) InCrashLoop() bool { return s.DisabledAt.IsZero() && s.Ends >= CrashLoopAfter }

// CountCrashes decides, at a start, what an unclean end says about the releases of list. No other place decides it. It is pure. It
// returns the records that remain. After a clean end the list has disabled releases only, and they remain.
//
//   - When exactly one release of the crash loop was running, it is the culprit and is disabled. The others keep their records
//     and run later, one at a time.
//   - When a crash loop was known and no release of it was running, something else ends the program. The records are dropped.
//   - Otherwise each release that was running has one more end in a row. The records of the others are dropped.
func CountCrashes(list []CrashRecord, now time.Time) []CrashRecord {
	alone := ranAlone(list)
	var known []CrashRecord
	for _, s := range list {
		switch {
		case !s.DisabledAt.IsZero():
		case alone && s.InCrashLoop() && s.Running:
			s.DisabledAt, s.Why = now, WhyBlamed
		case alone && s.InCrashLoop(): // it has not run alone yet
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

// ranAlone reports whether exactly one release of the crash loop was running.
func ranAlone(list []CrashRecord) bool {
	n := 0
	for i := range list {
		if list[i].InCrashLoop() && list[i].Running {
			n++
		}
	}
	return n == 1
}

// Disable disables the live release of a plugin. Its fallback runs until the file changes.
type Disable struct {
	Release string
	Why     string
}
