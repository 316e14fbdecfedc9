package host_test

import (
	"os"
	"testing"

	"inbox/inbox/inboxtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	inboxtest.RemoveCompileCache()
	os.Exit(code)
}
