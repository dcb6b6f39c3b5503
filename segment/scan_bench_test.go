package segment_test

import (
	"testing"

	"canseal/internal/durable"
	"canseal/segment"
)

// BenchmarkScan lists a card with 2,000 segments that were sent, on the disk.
func BenchmarkScan(b *testing.B) {
	f := durable.Dir(b.TempDir())
	c := card(f)
	line, _ := receipt().Encode()
	for split := uint32(1); split <= 2000; split++ {
		n := name(1+split/100, split)
		f.MkdirAll(c.Folder(n.Session), 0o755)
		for suffix, content := range map[segment.Suffix][]byte{segment.Sealed: []byte("MDF"), segment.Sent: line} {
			file, err := f.Create(c.Path(n, suffix), 0o644)
			if err != nil {
				b.Fatal(err)
			}
			file.Write(content)
			file.Close()
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if l, err := c.Scan(); err != nil || len(l.Segments) != 2000 {
			b.Fatalf("%d segments, %v", len(l.Segments), err)
		}
	}
}
