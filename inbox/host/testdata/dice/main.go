// Dice is a guest of the host's tests: a WASI command that logs what it sees of the world.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"time"
)

func main() {
	var dice [8]byte
	_, err := rand.Read(dice[:])
	_, ferr := os.ReadFile("/etc/passwd")
	start := time.Now()
	time.Sleep(time.Hour)
	fmt.Fprintf(os.Stderr, "%x %v\n%s slept %v\nfiles: %v\nenvironment: %d\n", dice, err, start.UTC().Format(time.RFC3339),
		time.Since(start) > 59*time.Minute, ferr == nil, len(os.Environ()))
}
