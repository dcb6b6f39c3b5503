package logger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"canseal/internal/durable"
	"canseal/internal/run"
	"canseal/mdf"
	"canseal/segment"
)

const (
	// maxWaiting is how many segments may wait for their compression; while there
	// are more, the oldest are sealed as they are.
	maxWaiting = 4
	// pressSync is how many bytes the compression writes before it syncs: a sync of
	// the recorder must not have to wait for all of its work.
	pressSync = 2 << 20
)

// press is the compression of one segment, .raw to .tmp. It works beside the
// keeper, who begins it, does all renames, and wants one at a time.
type press struct {
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // valid when done is closed; nil: the .tmp is whole and durable
	size    int64 // of the .raw
	written atomic.Int64
}

// errNoSpace: the card has no room for a second form of a segment.
var errNoSpace = errors.New("no room for its compressed form")

// finished is the name of a segment that is finished.
func (k *keeper) finished() segment.Suffix {
	if k.o.Compress {
		return segment.Raw
	}
	return segment.Sealed
}

// hurried tells of the first of these jobs, in their order, whether there is no
// time to compress it: too many wait, or one of them is the last of a box that
// is about to go.
func hurried(jobs []*job) bool {
	raw := 0
	for _, j := range jobs {
		if j.final {
			return true
		}
		if j.raw {
			raw++
		}
	}
	return raw > maxWaiting && jobs[0].press == nil
}

// pinched tells that nothing records because only what waits for its compression
// could be deleted.
func (k *keeper) pinched() bool { return k.view().Short && !k.o.KeepUnsent }

// pressed tells whether a .raw may get its last name: it has been compressed, or
// stays as it is. With hurry it is stopped, else begun or waited for.
func (k *keeper) pressed(j *job, hurry bool) bool {
	if j.press == nil {
		if hurry {
			return true
		}
		k.begin(j)
	}
	if hurry {
		j.press.stop()
	}
	select {
	case <-j.press.done:
		return true
	default:
		return false
	}
}

// stop ends the work at its next read or write.
func (p *press) stop() {
	p.cancel()
	<-p.done
}

// abandon stops what is still being compressed when a run ends.
func (k *keeper) abandon() {
	for _, j := range k.waiting() {
		if j.press != nil {
			j.press.stop()
		}
	}
}

// begin starts the compression of a segment.
func (k *keeper) begin(j *job) {
	p := &press{done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	j.press = p
	src, dst, err := k.pair(j, p)
	if err != nil {
		p.err = err
		close(p.done)
		return
	}
	go func() {
		defer poke(k.wake)
		defer close(p.done)
		defer p.cancel()
		run.Background(func() {
			p.err = errors.Join(p.compress(dst, src), dst.Close(), src.Close())
		})
	}()
}

// pair opens the .raw of a segment and makes its .tmp, if there is room for both
// and for the segment that is being written.
func (k *keeper) pair(j *job, p *press) (src, dst durable.File, err error) {
	if err := k.ours(j); err != nil {
		return nil, nil, err
	}
	n := j.name
	if src, err = k.card.FS.Open(k.card.Path(n, segment.Raw)); err != nil {
		return nil, nil, err
	}
	if p.size, err = src.Size(); err == nil {
		err = k.roomFor(p.size)
	}
	tmp := k.card.Path(n, segment.Tmp)
	if err == nil {
		if err = k.card.FS.Remove(tmp); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		dst, err = k.card.FS.Create(tmp, 0o644)
	}
	if err != nil {
		src.Close()
	}
	return src, dst, err
}

func (k *keeper) roomFor(size int64) error {
	space, err := k.card.FS.Space()
	if err == nil && space.Free < size+k.splitSize.Load() {
		err = errNoSpace
	}
	return err
}

// compress makes the whole .tmp, durably.
func (p *press) compress(dst, src durable.File) error {
	if _, err := mdf.Compress(&sheet{File: dst, p: p}, &sheet{File: src, p: p}, p.size); err != nil {
		return err
	}
	return dst.Sync()
}

// sheet is a file under the press: it can be stopped, and is synced as it grows.
type sheet struct {
	durable.File
	p     *press
	dirty int64
}

func (s *sheet) ReadAt(b []byte, at int64) (int, error) {
	if err := s.p.ctx.Err(); err != nil {
		return 0, err
	}
	return s.File.ReadAt(b, at)
}

func (s *sheet) WriteAt(b []byte, at int64) (int, error) {
	if err := s.p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.File.WriteAt(b, at)
	s.p.written.Add(int64(n))
	if s.dirty += int64(n); err == nil && s.dirty >= pressSync {
		s.dirty = 0
		err = s.Sync()
	}
	return n, err
}

// form is what the seal line of a segment of this run says of its file.
func (j *job) form() string {
	if j.press.whole() {
		return formPacked
	}
	return formRaw
}

// whole tells whether the compression came to its end.
func (p *press) whole() bool { return p != nil && p.err == nil }

// place gives a finished segment its last name: the compressed form if there is
// one, else as it is. Done again after an error it goes on.
func (k *keeper) place(j *job) error {
	s, err := k.card.Load(j.name)
	if err != nil {
		return err
	}
	if !s.Sealed() {
		if j.press.whole() && !s.Has.Has(segment.Tmp) { // recovery took it for work that was cut off
			j.press = nil
		}
		if err := k.card.Seal(j.name, k.best(j)); err != nil {
			return err
		}
		k.tally(j.press)
	} else if err := k.card.FS.SyncDir(k.card.Folder(j.name.Session)); err != nil {
		return err // what was renamed may not be durable yet, and the .raw is still needed
	}
	if err := k.card.Drop(j.name, segment.Of(segment.Raw, segment.Tmp)); err != nil {
		return fmt.Errorf("remove what was compressed: %w", err)
	}
	return nil
}

// tally counts what a compression wrote and saved.
func (k *keeper) tally(p *press) {
	if p.whole() {
		k.publish(func(v *keeperView) {
			v.Pressed += p.written.Load()
			v.Saved += p.size - p.written.Load()
		})
	}
}

// best is the form of a segment that is to be sealed.
func (k *keeper) best(j *job) segment.Suffix {
	if j.press.whole() {
		return segment.Tmp
	}
	if p := j.press; p != nil && !errors.Is(p.err, context.Canceled) && j.pause == 0 {
		k.o.Log.Warn("segment not compressed", "segment", j.name.String(), "reason", p.err)
	}
	return segment.Raw
}
