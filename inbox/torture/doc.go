// Package torture makes a real server fail in many ways and checks its promises.
//
// The server does not use this package. Package torture starts the program itself as a child on loopback and sends it signed
// traffic. It kills the child, stops it, fails its disk, steps its clock and replaces its plugins. All decisions come from one
// seed. After every end of the child the oracle (oracle.go) compares a copy of the files with the bodies that were sent and the
// answers. It knows nothing else. The six laws that it checks are above its code.
//
// The child is `inbox serve`, or the hidden `inbox __tortured`, which is the same server with the hooks of [HooksFromEnv]. Only
// the hidden command reads INBOX_CRASH_AT and INBOX_CLOCK_STEP.
package torture
