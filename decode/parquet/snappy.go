package parquet

import (
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/s2"
)

// fastSnappy writes the snappy format with a faster compressor than the
// library's own; what it reads, the other reads as well.
type fastSnappy struct{ compress.Codec }

func (fastSnappy) Encode(dst, src []byte) []byte { return s2.EncodeSnappy(dst, src) }

func (f fastSnappy) EncodeLevel(dst, src []byte, _ int) []byte { return f.Encode(dst, src) }

func (fastSnappy) CompressBound(n int64) int64 { return int64(s2.MaxEncodedLen(int(n))) }

func (fastSnappy) NewWriter(w io.Writer) io.WriteCloser {
	return s2.NewWriter(w, s2.WriterSnappyCompat())
}

// registerSnappy puts the codec in. The library has one table of codecs for
// the whole program.
var registerSnappy = sync.OnceFunc(func() {
	if codec, err := compress.GetCodec(compress.Codecs.Snappy); err == nil {
		compress.RegisterCodec(compress.Codecs.Snappy, fastSnappy{codec})
	}
})
