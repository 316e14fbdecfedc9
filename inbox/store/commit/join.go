package commit

import "fmt"

// JoinClose calls the closers and returns err, or the first error of a closer when err is nil.
func JoinClose(err error, closers ...func() error) error {
	for _, c := range closers {
		if cerr := c(); err == nil && cerr != nil {
			err = fmt.Errorf("close store: %w", cerr)
		}
	}
	return err
}
