package segment

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// ParseSeal reads one line, with or without its line end. Fields stand in their
// order; fields of later versions may follow prev and are skipped.
func ParseSeal(line []byte) (SealLine, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if len(line) > maxLine {
		return SealLine{}, fmt.Errorf("seal record: found %d bytes, wanted at most %d", len(line), maxLine)
	}
	c := cursor{rest: line}
	s := c.seal()
	if c.err != nil {
		return SealLine{}, fmt.Errorf("seal record: column %d: %w", len(line)-len(c.rest)+1, c.err)
	}
	if err := s.Check(); err != nil {
		return SealLine{}, err
	}
	s.Raw = append(bytes.Clone(line), '\n')
	return s, nil
}

// cursor eats a line from the left; after an error it stands still.
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) seal() (s SealLine) {
	c.literal(`{"v":1`)
	s.Device = Device(c.text("device"))
	s.Session = uint32(c.number("session", 32))
	s.Split = uint32(c.number("split", 32))
	s.Start, s.First, s.Last = c.moment("start"), c.moment("first"), c.moment("last")
	s.Form = c.text("form")
	s.Size = int64(c.number("size", 63))
	s.SHA256 = c.text("sha256")
	s.Frames, s.Gaps, s.Lost = c.number("frames", 64), c.number("gaps", 64), c.number("lost", 64)
	s.End, s.Clock = c.text("end"), c.text("clock")
	s.Late = c.truth("late")
	s.Dropped = c.number("dropped", 64)
	s.Config, s.Prev = c.text("config"), c.text("prev")
	c.unknown()
	if c.ahead("key") {
		s.Key, s.Sig = c.text("key"), c.text("sig")
	}
	c.literal("}")
	if c.err == nil && len(c.rest) > 0 {
		c.want("the end of the line")
	}
	return s
}

func (c *cursor) want(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("found %.20q, wanted %s", c.rest, what)
	}
}

func (c *cursor) literal(s string) {
	if !bytes.HasPrefix(c.rest, []byte(s)) {
		c.want(s)
	}
	if c.err == nil {
		c.rest = c.rest[len(s):]
	}
}

func (c *cursor) ahead(field string) bool {
	return bytes.HasPrefix(c.rest, []byte(`,"`+field+`":`))
}

func (c *cursor) field(name string) { c.literal(`,"` + name + `":`) }

// text eats a string in which nothing needs an escape: printable ASCII but " and \.
func (c *cursor) text(field string) string {
	c.field(field)
	c.literal(`"`)
	n := bytes.IndexFunc(c.rest, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if n < 0 {
		c.want("the end of a string")
	}
	if c.err != nil {
		return ""
	}
	s := string(c.rest[:n])
	c.rest = c.rest[n:]
	c.literal(`"`)
	return s
}

func (c *cursor) digits() string {
	n := 0
	for n < len(c.rest) && c.rest[n] >= '0' && c.rest[n] <= '9' {
		n++
	}
	return string(c.rest[:n])
}

// number eats a decimal number without sign and leading zeros.
func (c *cursor) number(field string, bits int) uint64 {
	c.field(field)
	s := c.digits()
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil || len(s) > 1 && s[0] == '0' {
		c.want(fmt.Sprintf("a number of at most %d bits", bits))
	}
	if c.err == nil {
		c.rest = c.rest[len(s):]
	}
	return n
}

func (c *cursor) truth(field string) bool {
	c.field(field)
	if bytes.HasPrefix(c.rest, []byte("true")) {
		c.literal("true")
		return true
	}
	c.literal("false")
	return false
}

func (c *cursor) moment(field string) time.Time {
	before := c.rest
	s := c.text(field)
	if c.err != nil || s == "" {
		return time.Time{}
	}
	t, err := time.Parse(sealTime, s)
	if err != nil || t.Format(sealTime) != s || t.IsZero() {
		c.rest = before
		c.want("a time like " + sealTime)
		return time.Time{}
	}
	return t
}

// unknown skips fields that this version does not know: strings, numbers, truths.
func (c *cursor) unknown() {
	for c.err == nil && bytes.HasPrefix(c.rest, []byte(`,"`)) && !c.ahead("key") {
		name, _, ok := bytes.Cut(c.rest[2:], []byte(`"`))
		if !ok || len(name) == 0 || c.isKnown(string(name)) {
			c.want("a new field, key or }")
			return
		}
		c.skip(string(name))
	}
}

func (c *cursor) skip(name string) {
	value := c.rest[min(len(c.rest), len(name)+4):]
	switch {
	case bytes.HasPrefix(value, []byte(`"`)):
		c.text(name)
	case bytes.HasPrefix(value, []byte("t")), bytes.HasPrefix(value, []byte("f")):
		c.truth(name)
	default:
		c.number(name, 64)
	}
}

func (c *cursor) isKnown(name string) bool {
	return isOneOf(name, "v", "device", "session", "split", "start", "first", "last", "form", "size", "sha256", "frames",
		"gaps", "lost", "end", "clock", "late", "dropped", "config", "prev", "key", "sig")
}
