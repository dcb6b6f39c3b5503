package input

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// key is what the path of a file says, if it is one of a card or a bucket.
type key struct {
	device         string
	session, split uint32
	state          int // 0 sealed, 1 .raw, 2 .part: which of several counts
}

var treeForm = regexp.MustCompile(`(?i)(?:^|/)([0-9A-F]{8})/([0-9]{8})/([0-9]{8})(?:-[0-9A-F]{8})?\.MF[4CEM](\.raw|\.part)?$`)

func parseKey(path string) (key, bool) {
	m := treeForm.FindStringSubmatch(filepath.ToSlash(path))
	if m == nil {
		return key{}, false
	}
	k := key{device: strings.ToUpper(m[1]), session: decimal(m[2]), split: decimal(m[3])}
	switch strings.ToLower(m[4]) {
	case ".raw":
		k.state = 1
	case ".part":
		k.state = 2
	}
	return k, true
}

// decimal is the number of at most eight digits.
func decimal(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// compareSegments orders by device, session, split, then by name.
func compareSegments(a, b *Segment) int {
	return cmp.Or(
		cmp.Compare(a.Device, b.Device), cmp.Compare(a.Session, b.Session), cmp.Compare(a.Split, b.Split),
		cmp.Compare(state(a), state(b)), cmp.Compare(a.File.Name, b.File.Name))
}

func state(s *Segment) int {
	k, _ := parseKey(s.File.Name)
	return k.state
}

// same tells whether two files are the same segment.
func (s *Segment) same(t *Segment) bool {
	return s.joined(t) && s.Split == t.Split
}

// joined tells whether two files are of one session.
func (s *Segment) joined(t *Segment) bool {
	return s.Device != "" && s.Device == t.Device && s.Session != 0 && s.Session == t.Session
}
