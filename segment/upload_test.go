package segment

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func anUpload() UploadJournal {
	return UploadJournal{Endpoint: "https://store:9000", Bucket: "trucks", Key: "A1B2C3D4/00000017/00000003-69F87A20.MF4", UploadID: "abc<&>~",
		Size: 33554432, SHA256: strings.Repeat("ab", 32), PartSize: 8 << 20, Checksum: "sha256", At: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)}
}

func aPart(n int) UploadPart {
	return UploadPart{Number: n, Size: 8 << 20, SHA256: strings.Repeat("cd", 32), ETag: "e"}
}

func uploadCard(t *testing.T) (Card, Name) {
	t.Helper()
	c, n := Card{FS: memfs.New(), Device: "A1B2C3D4"}, Name{17, 3}
	if err := c.FS.MkdirAll(path.Dir(c.Path(n, Upload)), 0o755); err != nil {
		t.Fatal(err)
	}
	return c, n
}

func TestAnUploadIsReadAsItWasWritten(t *testing.T) {
	c, n := uploadCard(t)
	if _, err := c.ReadUpload(n); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without a journal: %v", err)
	}
	want := anUpload()
	if err := c.BeginUpload(n, want); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		want.Parts = append(want.Parts, aPart(i+1))
		if err := c.AddPart(n, aPart(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.ReadUpload(n); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	again := anUpload()
	again.UploadID = "another"
	if err := c.BeginUpload(n, again); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadUpload(n); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("begun again: %+v, %v", got, err)
	}
}

// A journal cut at any byte is read up to its last whole line, and the next
// part follows that.
func TestATornJournalGoesOnAfterItsLastLine(t *testing.T) {
	c, n := uploadCard(t)
	c.BeginUpload(n, anUpload())
	c.AddPart(n, aPart(1))
	c.AddPart(n, aPart(2))
	name := c.Path(n, Upload)
	whole, err := durable.ReadFile(c.FS, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.IndexByte(whole, '\n') + 1
	for size := range len(whole) {
		if err := durable.WriteFile(c.FS, name, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		j, err := c.ReadUpload(n)
		if size < head {
			if err == nil {
				t.Errorf("%d bytes: a torn beginning was read", size)
			}
			continue
		}
		lines := bytes.Count(whole[:size], []byte("\n"))
		if err != nil || len(j.Parts) != lines-1 {
			t.Fatalf("%d bytes: %d parts, %v, want %d", size, len(j.Parts), err, lines-1)
		}
		if err := c.AddPart(n, aPart(9)); err != nil {
			t.Fatal(err)
		}
		if j, err = c.ReadUpload(n); err != nil || len(j.Parts) != lines || j.Parts[lines-1].Number != 9 {
			t.Fatalf("%d bytes: after another part %+v, %v", size, j.Parts, err)
		}
	}
}

func FuzzUploadJournal(f *testing.F) {
	f.Add([]byte(`{"journal":1,"endpoint":"https://h","bucket":"trucks","key":"k","upload_id":"u","size":9,"sha256":"` + strings.Repeat("ab", 32) +
		`","part_size":8,"checksum":"sha256","at":"2026-05-04T10:00:00Z"}` + "\n" + `{"n":1,"size":8,"sha256":"` + strings.Repeat("ab", 32) + `","etag":"e"}` + "\n"))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, size, err := parseUpload(data)
		if size > len(data) {
			t.Fatalf("%d bytes of %d", size, len(data))
		}
		if err != nil {
			return
		}
		if err := j.Check(); err != nil {
			t.Fatal(err)
		}
		for _, p := range j.Parts {
			if !p.ok() {
				t.Fatalf("part %+v", p)
			}
		}
	})
}
