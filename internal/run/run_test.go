package run

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestServiceRestartsAfterFailureWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begin := time.Now()
		var starts []time.Duration
		s := NewService(Func("flaky", func(context.Context) error {
			starts = append(starts, time.Since(begin))
			if len(starts) == 2 {
				panic("a bug")
			}
			if len(starts) == 9 {
				<-ctx.Done()
				return ctx.Err()
			}
			return errors.New("no")
		}), nil)
		go s.Run(ctx)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183}
		if len(starts) != len(want) {
			t.Fatalf("%d starts, want %d", len(starts), len(want))
		}
		for i, at := range starts {
			if at != want[i]*time.Second {
				t.Errorf("start %d after %v, want %v", i, at, want[i]*time.Second)
			}
		}
		if st := s.Status(); st.State != "running" || st.Restarts != 8 {
			t.Errorf("status %+v", st)
		}
		cancel()
		synctest.Wait()
		if st := s.Status(); st.State != "stopped" {
			t.Errorf("after the end: %+v", st)
		}
	})
}

func TestServiceThatIsDoneIsNotStartedAgain(t *testing.T) {
	n := 0
	s := NewService(Func("once", func(context.Context) error { n++; return nil }), nil)
	s.Run(t.Context())
	if n != 1 || s.Status().State != "stopped" {
		t.Errorf("%d runs, %+v", n, s.Status())
	}
}

func TestNotifyReachesTheManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("unixgram sockets: %v", err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := Notify(Ready); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, _, err := l.ReadFrom(buf)
	if err != nil || string(buf[:n]) != Ready {
		t.Fatalf("%q, %v", buf[:n], err)
	}
}

func TestWatchdogIntervalIsHalfOfWhatIsAsked(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000000")
	if d := WatchdogInterval(); d != 15*time.Second {
		t.Errorf("%v", d)
	}
	t.Setenv("WATCHDOG_PID", "1")
	if d := WatchdogInterval(); d != 0 {
		t.Errorf("meant for another process: %v", d)
	}
}
