package uploader_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/durable/memfs"
	"canseal/segment"
	"canseal/uploader"
)

// part is the size of parts here.
const part = 64 << 10

// noise is content that no two parts share.
func noise(size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// large runs a test with one segment of three parts.
func large(t *testing.T, test func(b *box, n segment.Name, data []byte)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.o.PartSize = part
		data := noise(2*part + 8000)
		test(b, b.sealContent(17, 1, data), data)
	})
}

// wantArrived checks that a segment is in the store, whole, with its receipt,
// and that nothing of its upload is left.
func (b *box) wantArrived(n segment.Name, data []byte) {
	b.t.Helper()
	b.wantArrivedIn(n, data)
	if len(b.store.uploads) != 0 {
		b.t.Errorf("%d uploads are left in the store", len(b.store.uploads))
	}
}

func (b *box) wantArrivedIn(n segment.Name, data []byte) {
	b.t.Helper()
	if got := b.store.objects[key(n)].data; !bytes.Equal(got, data) {
		b.t.Errorf("%s: %d bytes in the store, want %d", n, len(got), len(data))
	}
	s, err := b.card.Load(n)
	if err != nil || !s.Sent() || s.Has.Has(segment.Upload) {
		b.t.Errorf("%s: %s on the card, %v, want a receipt and no journal", n, s.Has, err)
	}
}

// sentBytes are those of the bodies that arrived, in all requests.
func (s *store) sentBytes() (n int64) {
	for _, r := range s.calls("", ".MF4") {
		n += r.bytes
	}
	return n
}

func TestALargeSegmentGoesInParts(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.run()
		pass(time.Second)
		b.wantArrived(n, data)
		r, err := b.card.ReadReceipt(n)
		if err != nil || r.By != "complete" || r.Checksum.Type != "COMPOSITE" || !strings.HasSuffix(r.Checksum.Value, "-3") || r.PartSize != part {
			t.Errorf("receipt %+v, %v", r, err)
		}
		if got := b.store.objects[key(n)].meta["sha256"]; got != r.SHA256 {
			t.Errorf("metadata sha256 %q", got)
		}
		if got := b.store.sentBytes(); got != int64(len(data)) {
			t.Errorf("%d bytes sent for %d", got, len(data))
		}
		b.wantState("idle", "")
	})
}

// Cut at each part, at the list, at the completion; before and after the store
// has done it: no more than the part that was on its way is sent again, and
// the object is made once.
func TestALargeSegmentSurvivesACutAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, verb := range []string{"begin", "part", "parts", "complete", "stat"} {
			for skip := range map[string]int{"part": 3}[verb] + 1 {
				large(t, func(b *box, n segment.Name, data []byte) {
					fault := first(1, func(r request) error {
						if r.verb == verb {
							skip--
							if skip < 0 {
								return refusal(uploader.Network)
							}
						}
						return nil
					})
					if after {
						b.store.lose = fault
					} else {
						b.store.fault = fault
					}
					if verb == "parts" { // only asked for after another cut
						b.store.lose = first(1, on("part", "", uploader.Network))
					}
					b.run()
					pass(10 * time.Second)
					if after && verb == "begin" {
						b.store.uploads = nil // what a lost answer leaves at the store is for its lifecycle rule
					}
					b.wantArrived(n, data)
					if again := b.store.sentBytes() - int64(len(data)); again > part || b.store.puts[key(n)] != 1 {
						t.Errorf("%s, after %v: %d bytes sent again, object made %d times", verb, after, again, b.store.puts[key(n)])
					}
				})
			}
		}
	}
}

// The power fails at any change of the card, and with it the network; the next
// run goes on from the journal.
func TestALargeSegmentSurvivesAPowerCutAnywhere(t *testing.T) {
	changes := 1
	for cut := 0; cut <= changes; cut++ {
		large(t, func(b *box, n segment.Name, data []byte) {
			count := 0
			b.fs.Fault(func(op memfs.Op) error {
				if strings.Contains("open edit readdir stat read", op.Kind) {
					return nil
				}
				if count++; cut == 0 || count < cut {
					return nil
				}
				b.store.set(always(uploader.Network))
				return syscall.EIO
			})
			b.run()
			pass(time.Second)
			if cut == 0 {
				changes = count
			}
			b.store.set(nil)
			for seed := range uint64(2) {
				b.restart(b.fs.Crash(seed))
				b.o.PartSize = part
				b.run()
				pass(time.Second)
			}
			b.wantArrivedIn(n, data)
			// The first five make the journal.
			if len(b.store.uploads) > 0 && cut > 5 {
				t.Errorf("cut at %d: an upload is left although the journal had its name", cut)
			}
			if again := b.store.sentBytes() - int64(len(data)); again > part || b.store.puts[key(n)] != 1 {
				t.Errorf("cut at %d: %d bytes sent again, object made %d times", cut, again, b.store.puts[key(n)])
			}
		})
	}
	if changes < 10 {
		t.Errorf("%d changes of the card in a whole upload", changes)
	}
}

func TestAnUploadToAnotherStoreBeginsAgain(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.store.fault = first(1, on("complete", "", uploader.Credentials))
		b.run()
		pass(time.Second)
		b.store.forget()
		b.restart(b.fs)
		b.o.PartSize = part
		b.o.Bucket = "others"
		b.run()
		pass(time.Second)
		b.wantArrivedIn(n, data)
	})
}

// The store has forgotten the upload: it begins again, by itself.
func TestAnUploadThatTheStoreHasAborted(t *testing.T) {
	for _, verb := range []string{"part", "complete"} {
		large(t, func(b *box, n segment.Name, data []byte) {
			done := false
			b.store.fault = func(r request) error {
				if r.verb == verb && len(b.store.calls("part", "")) > 1 && !done {
					done = true
					b.store.mu.Lock()
					clear(b.store.uploads)
					b.store.mu.Unlock()
				}
				return nil
			}
			b.run()
			pass(time.Minute)
			b.wantArrived(n, data)
		})
	}
}

func TestALargeSegmentUnderATakenKey(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.store.objects[key(n)] = object{data: noise(5), checksum: checksum(noise(5))}
		b.run()
		pass(time.Hour)
		b.wantParked(n, "key_conflict")
		if got := b.store.sentBytes(); got != 0 {
			t.Errorf("%d bytes sent although a look tells", got)
		}
		b.store.forget()
		b.up.Retry(false)
		pass(time.Second)
		b.wantArrived(n, data)
	})
	// Taken while the parts are on their way.
	large(t, func(b *box, n segment.Name, data []byte) {
		b.store.fault = func(r request) error {
			if r.verb == "complete" {
				b.store.mu.Lock()
				b.store.objects[key(n)] = object{data: noise(5), checksum: checksum(noise(5))}
				b.store.mu.Unlock()
			}
			return nil
		}
		b.run()
		pass(time.Hour)
		b.wantParked(n, "key_conflict")
		if s, _ := b.card.Load(n); s.Has.Has(segment.Upload) || len(b.store.uploads) != 0 {
			t.Errorf("an upload is left: %s, %d", s.Has, len(b.store.uploads))
		}
	})
}

func TestALargeSegmentThatIsDamagedIsNotSent(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		f, err := b.fs.Edit(b.card.Path(n, segment.Sealed))
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte("x"), part+99)
		f.Close()
		b.run()
		pass(time.Minute)
		b.wantParked(n, "local_corruption")
		if got := len(b.store.calls("", ".MF4")); got != 0 {
			t.Errorf("%d requests for it", got)
		}
	})
}

// A card that takes no journal stops no upload.
func TestALargeSegmentOnACardThatTakesNoJournal(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.fs.ReadOnly(true)
		b.store.lose = first(2, on("part", "", uploader.Network))
		b.run()
		pass(time.Minute)
		b.fs.ReadOnly(false)
		pass(10 * time.Minute)
		b.wantArrived(n, data)
	})
}

// A segment that retention has deleted leaves no parts at the store.
func TestAnUploadOfADeletedSegmentIsAborted(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.store.fault = on("complete", "", uploader.Network)
		b.run()
		pass(time.Second)
		if err := b.card.Remove(n); err != nil {
			t.Fatal(err)
		}
		b.store.set(nil)
		pass(time.Hour)
		if len(b.store.uploads) != 0 || b.store.stored() != 1 {
			t.Errorf("%d uploads left, %d objects", len(b.store.uploads), b.store.stored())
		}
	})
}

// The power fails between the receipt and the end of the journal, and the store
// is busy when its upload is to be aborted: it is aborted later.
func TestAStaleUploadIsAbortedLater(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		up, err := b.store.Begin(t.Context(), uploader.Upload{Key: key(n)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.run()
		pass(time.Second)
		line, _ := b.card.ReadReceipt(n)
		j := segment.UploadJournal{Endpoint: b.o.Endpoint, Bucket: b.o.Bucket, Key: key(n), UploadID: up.ID, Size: int64(len(data)),
			SHA256: line.SHA256, PartSize: part, Checksum: "sha256", At: time.Now()}
		if err := b.card.BeginUpload(n, j); err != nil {
			t.Fatal(err)
		}
		b.store.set(first(2, on("abort", "", uploader.Busy)))
		pass(time.Hour)
		b.wantArrived(n, data)
	})
}

// A store that compares no SHA-256 of parts: the receipt says on what it rests.
func TestAStoreThatComparesNoSHA256OfParts(t *testing.T) {
	large(t, func(b *box, n segment.Name, data []byte) {
		b.store.fault = first(1, on("begin", "", uploader.Quirk))
		b.run()
		pass(time.Minute)
		b.wantArrived(n, data)
		if r, err := b.card.ReadReceipt(n); err != nil || r.Checksum.Algorithm != "MD5" || r.Checksum.Type != "COMPOSITE" || r.Checksum.Value != r.ETag {
			t.Errorf("receipt %+v, %v", r, err)
		}
	})
	large(t, func(b *box, n segment.Name, data []byte) {
		b.o.Quirks.MultipartChecksum = "sha256"
		b.store.fault = on("begin", "", uploader.Quirk)
		b.run()
		pass(time.Minute)
		b.wantState("operator", "quirk")
	})
}
