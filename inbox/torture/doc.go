// Package torture makes a real server fail in many ways and checks its promises.
//
// It stands beside the line, not on it. It starts the program itself as a child on loopback, sends it signed traffic,
// and kills it, stops it, takes its disk away, steps its clock and replaces its plugins, by decisions that all come from
// one seed. After every death a copy of the files is held against what was sent and what was answered: the oracle
// (oracle.go) knows nothing else, and the six laws it checks stand above it.
//
// The child is `inbox serve`, or the hidden `inbox __tortured`, which is the same server with [HooksFromEnv] between its
// packages: there, and nowhere else, INBOX_CRASH_AT and INBOX_CLOCK_STEP are read.
package torture
