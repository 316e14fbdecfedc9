// Package torture makes a real server fail in many ways and checks its promises.
//
// It is not part of the line. It starts the program itself as a child on loopback, sends it signed traffic, and kills it,
// stops it, fails its disk, steps its clock and replaces its plugins. All decisions come from one seed. After every death the oracle
// (oracle.go) compares a copy of the files with what was sent and answered. It knows nothing else. The six laws that it
// checks are above its code.
//
// The child is `inbox serve`, or the hidden `inbox __tortured`, which is the same server with the hooks of [HooksFromEnv]. Only
// the hidden command reads INBOX_CRASH_AT and INBOX_CLOCK_STEP.
package torture
