package logger

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"canseal/internal/durable"
)

// maxSeen is how many start keys of a bus are remembered.
const maxSeen = 65_536

// seen are the tags of the start keys that a bus's judge has followed, oldest
// first: state/seenN, 8 bytes each. A recorded drive that is played again is
// known by them. The recorder owns it.
type seen struct {
	bus  uint8
	tags [][8]byte
	set  map[[8]byte]struct{}
}

func seenFile(bus uint8) string { return fmt.Sprintf("seen%d", bus) }

// loadSeen reads the tags of a bus. On an error it begins with none.
func loadSeen(state durable.FS, bus uint8) (*seen, error) {
	s := &seen{bus: bus, set: map[[8]byte]struct{}{}}
	data, err := durable.ReadFile(state, seenFile(bus), 8*maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil && len(data)%8 != 0 {
		err = fmt.Errorf("state/%s: %d bytes, wanted tags of 8", seenFile(bus), len(data))
	}
	if err != nil {
		return s, err
	}
	for tag := range slices.Chunk(data, 8) {
		s.add([8]byte(tag))
	}
	return s, nil
}

func (s *seen) has(tag [8]byte) bool {
	_, there := s.set[tag]
	return there
}

func (s *seen) add(tag [8]byte) {
	if s.has(tag) {
		return
	}
	if len(s.tags) == maxSeen {
		delete(s.set, s.tags[0])
		s.tags = append(s.tags[:0], s.tags[1:]...)
	}
	s.tags = append(s.tags, tag)
	s.set[tag] = struct{}{}
}

// bytes is the file.
func (s *seen) bytes() []byte {
	b := make([]byte, 0, 8*len(s.tags))
	for _, tag := range s.tags {
		b = append(b, tag[:]...)
	}
	return b
}

// memory is a file of tags on its way to the state folder.
type memory struct {
	file string
	data []byte
}

// remember keeps a start key that was proven. The verdicts do not wait for the
// disk; of what waits for it only the newest of a bus counts.
func (r *recorder) remember(s *seen, tag [8]byte) {
	s.add(tag)
	m := memory{seenFile(s.bus), s.bytes()}
	select {
	case r.l.memories <- m:
	default:
		r.o.Log.Error("start key not remembered: the state folder does not answer", "bus", s.bus)
	}
}

// keepMemories writes what recorders remember, until there is no more.
func (l *Logger) keepMemories() {
	for m := range l.memories {
		if err := durable.WriteFile(l.o.State, m.file, m.data, 0o600); err != nil {
			l.o.Log.Error("start key not remembered", "error", err)
		}
	}
}
