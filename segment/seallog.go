package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"canseal/internal/durable"
)

// maxSealLog bounds what is read of a seal.log: about 90,000 lines.
const maxSealLog = 64 << 20

// SealLog is the seal.log of one SESSION.
type SealLog struct {
	Lines   []SealLine // those that can be read, in file order
	Damaged []int      // numbers of lines, from 1, that are not ours although good ones follow
	Size    int64      // bytes up to the end of the last good line: here the next belongs
	Torn    int64      // bytes after that
}

// ReadSeals reads a seal.log; an absent one has no lines. What a power cut left
// of the last write, be it old bytes of another file, is Torn and not in Lines: a
// line counts when it can be read and is the first, names its predecessor in
// Prev, or goes on in the same SESSION of the same device with a higher split.
func (c Card) ReadSeals(session uint32) (SealLog, error) {
	data, err := durable.ReadFile(c.FS, c.SealPath(session), maxSealLog)
	if errors.Is(err, fs.ErrNotExist) {
		return SealLog{}, nil
	}
	if err != nil {
		return SealLog{}, err
	}
	return parseSeals(data), nil
}

func parseSeals(data []byte) (l SealLog) {
	var doubtful []int
	rest := data
	for number := 1; ; number++ {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			break
		}
		s, err := ParseSeal(rest[:end])
		rest = rest[end:]
		if err != nil || !l.continues(s) {
			doubtful = append(doubtful, number)
			continue
		}
		l.Lines, l.Size = append(l.Lines, s), int64(len(data)-len(rest))
		l.Damaged, doubtful = append(l.Damaged, doubtful...), nil
	}
	l.Torn = int64(len(data)) - l.Size
	return l
}

func (l SealLog) continues(next SealLine) bool {
	if len(l.Lines) == 0 {
		return true
	}
	last := l.Lines[len(l.Lines)-1]
	higher := next.Device == last.Device && next.Session == last.Session && next.Split > last.Split
	return higher || next.Prev == last.Hash()
}

// CutSeals cuts off what is torn, so that the next line begins a line.
func (c Card) CutSeals(session uint32, l SealLog) error {
	if l.Torn == 0 {
		return nil
	}
	return c.cut(c.SealPath(session), l.Size)
}

// cut makes a file shorter, durably.
func (c Card) cut(name string, size int64) error {
	f, err := c.FS.Edit(name)
	if err != nil {
		return fmt.Errorf("cut %s: %w", name, err)
	}
	err = f.Truncate(size)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cut %s: %w", name, err)
	}
	return nil
}

// AppendSeal adds a line and syncs it; after a nil error it survives. After any
// other the file is as before, as far as the card still takes orders, and
// ReadSeals and CutSeals do the rest. session is the number of the folder.
func (c Card) AppendSeal(session uint32, s SealLine) error {
	if err := s.Check(); err != nil {
		return err
	}
	name := c.SealPath(session)
	f, err := c.FS.Append(name, 0o644)
	if err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	// The name first: after the line nothing may fail any more.
	err = c.FS.SyncDir(path.Dir(name))
	if err == nil {
		err = appendLine(f, s.Encode())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	return nil
}

func appendLine(f durable.File, line []byte) error {
	before, err := f.Size()
	if err != nil {
		return err
	}
	if _, err = f.Write(line); err == nil {
		err = f.Sync()
	}
	if err != nil {
		// A torn line would spoil the next one.
		f.Truncate(before)
	}
	return err
}
