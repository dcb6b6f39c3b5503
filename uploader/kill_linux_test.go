package uploader_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/segment"
)

// A process is killed (SIGKILL) at 90 % of an upload; the next one goes on from
// the journal and sends no more than one part again. CANSEAL_S3BENCH makes the
// segment 128 MiB large.
func TestAnUploadGoesOnAfterAKill(t *testing.T) {
	size, stalled := int64(20<<20), "partNumber=3"
	if os.Getenv("CANSEAL_S3BENCH") != "" {
		size, stalled = 128<<20, "partNumber=15"
	}
	root := fileSet{"", 1, size}.card(t)
	server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.Script(s3test.Fault{Effect: s3test.Stall, Query: stalled, At: 7 << 20})
	first := child(t, "uploader", root, server.URL, "")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return written(first.Process.Pid) > size*9/10 })
	atKill := written(first.Process.Pid)
	first.Process.Kill()
	first.Wait()
	card := segment.Card{FS: durable.Dir(root), Device: device}
	j, err := card.ReadUpload(segment.Name{Session: 17, Split: 1})
	if err != nil {
		t.Fatal(err)
	}
	again := atKill // but for what the store has confirmed
	for _, p := range j.Parts {
		again -= p.Size
	}
	if out, err := child(t, "uploader", root, server.URL, "").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := card.Load(segment.Name{Session: 17, Split: 1})
	if err != nil || !s.Sent() || s.Receipt.By != "complete" || s.Has.Has(segment.Upload) {
		t.Fatalf("after the second run %s, %+v, %v", s.Has, s.Receipt, err)
	}
	t.Logf("FIGURE killed at %d of %d MiB: %.1f MiB sent again, with all that the first process had written beside it", (size*9/10)>>20, size>>20, float64(again)/(1<<20))
	if again > 8<<20+size/100 {
		t.Errorf("%d bytes sent again, want at most one part", again)
	}
}

// written is what a process has written so far, to the network and to files, in
// bytes.
func written(pid int) (n int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if _, after, ok := strings.Cut(string(text), "wchar:"); ok {
		n, _ = strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	}
	return n
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the upload does not come so far")
		}
	}
}

// child is a contender as a process of its own.
func child(t *testing.T, role, root, url, ca string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestUploadFigures$")
	cmd.Env = append(os.Environ(), "CANSEAL_S3BENCH_ROLE="+role, "BENCH_ROOT="+root, "BENCH_URL="+url, "BENCH_CA="+ca)
	return cmd
}
