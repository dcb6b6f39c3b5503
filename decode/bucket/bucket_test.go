package bucket

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/uploader/s3"
)

// shelf is a bucket in memory.
type shelf struct {
	objects  map[string]string
	modified time.Time
	asked    []string
}

func (s *shelf) List(_ context.Context, prefix string) iter.Seq2[s3.Entry, error] {
	return func(yield func(s3.Entry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(s.objects)) {
			if strings.HasPrefix(key, prefix) && !yield(s3.Entry{Key: key, Size: int64(len(s.objects[key])), Modified: s.modified}, nil) {
				return
			}
		}
	}
}

func (s *shelf) Get(_ context.Context, key string, _ int64) ([]byte, error) {
	s.asked = append(s.asked, key)
	if text, is := s.objects[key]; is {
		return []byte(text), nil
	}
	return nil, errors.New("no such key")
}

func (s *shelf) Fetch(ctx context.Context, key string, w io.Writer, limit int64) (int64, error) {
	text, err := s.Get(ctx, key, limit)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(text)
	return int64(n), err
}

func TestObjectsOnTheDiskAreBounded(t *testing.T) {
	s := &shelf{objects: map[string]string{}}
	for _, name := range []string{"a", "b", "c", "d"} {
		s.objects["LOG/"+name+".MF4"] = strings.Repeat(name, 400)
	}
	dir := t.TempDir()
	b := New(Options{Store: s, Name: "x", Temp: dir, Room: 1000})
	files, err := b.Find(context.Background(), "LOG")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for range 2 {
		for _, f := range files {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(r); err != nil || string(text) != s.objects[strings.TrimPrefix(f.Name, "s3://x/")] {
				t.Errorf("%s: %d bytes, %v", f.Name, len(text), err)
			}
			if _, is := r.(io.ReaderAt); !is {
				t.Error("not to be read at random")
			}
			r.Close()
			if left, _ := os.ReadDir(dir); len(left) > 2 {
				t.Errorf("%d files lie there", len(left))
			}
		}
	}
	if _, err := files[3].Open(); err != nil || len(s.asked) != 8 {
		t.Errorf("%v; asked for %v: what lies there is not fetched again", err, s.asked)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}

func TestAnObjectThatChangedSinceItWasListedIsRefused(t *testing.T) {
	s := &shelf{objects: map[string]string{"a.MF4": "1234"}}
	dir := t.TempDir()
	b := New(Options{Store: s, Name: "x", Temp: dir})
	files, _ := b.Find(context.Background(), "")
	s.objects["a.MF4"] = "12345"
	if _, err := files[0].Open(); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left behind", len(left))
	}
}

// A CANedge names the time of the upload: what it recorded before may be of
// any age. One of canseal names the begin.
func TestOnlyKeysThatNameBeginsExcludeWhatIsNewer(t *testing.T) {
	to := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for device, want := range map[string]bool{`{"type":"000C5EA1"}`: true, `{"type":"0000001F"}`: false, "none": false} {
		s := &shelf{modified: to.Add(time.Hour), objects: map[string]string{
			"A1B2C3D4/00000001/00000001-6AFF8D80.MF4": "x", "A1B2C3D4/00000001/00000002-6AFF8D81.MF4": "x", "A1B2C3D4/device.json": device,
		}}
		b := New(Options{Store: s, Name: "x", To: to})
		files, err := b.Find(context.Background(), "")
		if err != nil || len(files) != 2 || b.Others != 1 {
			t.Fatalf("%d files, %d others, %v", len(files), b.Others, err)
		}
		if got := !files[1].Start.IsZero() && !files[1].Start.Before(to); got != want {
			t.Errorf("%s: begins at %v", device, files[1].Start)
		}
		if len(s.asked) != 1 {
			t.Errorf("asked for %v", s.asked)
		}
	}
}

func TestNamesOfBuckets(t *testing.T) {
	for name, want := range map[string][2]string{"s3://b": {"b", ""}, "s3://b/": {"b", ""}, "s3://b/LOG/A1B2C3D4/": {"b", "LOG/A1B2C3D4"}} {
		if bucket, prefix, err := Split(name); err != nil || bucket != want[0] || prefix != want[1] {
			t.Errorf("%s: %q, %q, %v", name, bucket, prefix, err)
		}
	}
	for _, name := range []string{"s3://", "s3:///x", "http://b"} {
		if _, _, err := Split(name); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
