package logger

import (
	"context"
	"time"
)

// Tuning is what may change while recording goes on.
type Tuning struct {
	ConfigCRC32  uint32 // of the configuration in force
	ConfigSHA256 string
	Comment      string

	SplitSize   int64 // bytes; 0: the default
	SplitTime   time.Duration
	SplitOffset time.Duration
	Flush       time.Duration // 0: the default
}

// Tuning is the part of the options that Retune takes.
func (o Options) Tuning() Tuning {
	o = o.withDefaults()
	return Tuning{
		ConfigCRC32: o.Header.ConfigCRC32, ConfigSHA256: o.Header.ConfigSHA256, Comment: o.Header.Comment,
		SplitSize: o.SplitSize, SplitTime: o.SplitTime, SplitOffset: o.SplitOffset, Flush: o.Flush,
	}
}

// Retune goes on in a new segment with other settings. The source stays open and
// the queue takes what comes meanwhile: no frame is lost.
func (l *Logger) Retune(ctx context.Context, t Tuning) error {
	return l.ask(ctx, func(r *recorder) { r.retune(t) })
}

func (r *recorder) retune(t Tuning) {
	o := Options{SplitSize: t.SplitSize, Flush: t.Flush}.withDefaults()
	r.o.Header.ConfigCRC32, r.o.Header.ConfigSHA256, r.o.Header.Comment = t.ConfigCRC32, t.ConfigSHA256, t.Comment
	r.o.SplitSize, r.o.SplitTime, r.o.SplitOffset, r.o.Flush = o.SplitSize, t.SplitTime, t.SplitOffset, o.Flush
	r.keep.splitSize.Store(o.SplitSize)
	r.flush.Reset(o.Flush)
	r.finishTurn()
	if r.seg != nil {
		r.next()
	}
}
