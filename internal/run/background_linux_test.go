package run

import (
	"syscall"
	"testing"
)

func TestBackgroundHasTheLowestPriorityAndNobodyElse(t *testing.T) {
	priority := func() int {
		raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - raw // the system call answers 20 - nice
	}
	inside, done := 0, false
	Background(func() { inside, done = priority(), true })
	if !done || inside != 19 {
		t.Errorf("done %t at nice %d, wanted nice 19", done, inside)
	}
	if outside := priority(); outside >= 19 {
		t.Errorf("nice %d outside", outside)
	}
}
