package buslog

import "fmt"

const (
	chain     = 16        // records in a row that must make sense
	chainEnd  = 16 << 10  // bytes of them that suffice
	hour      = 3600e9    // ns that times may go back
	dayAndOne = 25 * hour // ns that they may go on
)

// resync finds the next place from which records make sense, behind an id that
// is not declared. It stays in the chunk where it can; each byte is begun at
// once.
func (s *stream) resync() error {
	at := s.base + int64(s.pos)
	lost := int64(0)
	for {
		s.pos++
		lost++
		if s.n-s.pos < chainEnd && !s.over && !s.gap {
			if err := s.more(); err != nil {
				return err
			}
		}
		if s.n-s.pos <= s.d.ridLen || s.sensible() {
			break
		}
	}
	if s.n-s.pos <= s.d.ridLen {
		lost += int64(s.n - s.pos)
		s.pos = s.n
	}
	s.lose()
	s.p.damage(s.flow.at, lost, fmt.Errorf("byte %d of the records: %w", at, errUndeclared))
	return nil
}

// sensible tells whether records in a row stand at pos: declared, with times
// that fit each other and the last one.
func (s *stream) sensible() bool {
	last := s.last
	for at, i := s.pos, 0; i < chain && at-s.pos < chainEnd; i++ {
		if s.n-at < s.d.ridLen {
			return i > 0
		}
		g, size, need := s.formAt(at)
		if g == nil {
			return false
		}
		if s.n-at < need {
			return i > 0
		}
		if g.stage != stageVLSD {
			rec := s.buf[at+s.d.ridLen:][:size+slack]
			t, ok := g.time.of(rec, 0)
			if !ok || t < last-hour || t > last+dayAndOne {
				return false
			}
			last = t
		}
		at += need
	}
	return true
}
