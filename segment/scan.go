package segment

import (
	"errors"
	"io/fs"
	"path"
	"slices"
)

const (
	// maxNotes bounds the lists of what a scan left alone.
	maxNotes = 100
	// maxForeign bounds the counting of other boxes' segments.
	maxForeign = 100_000
)

// Segment is one split on the card, and what is there of it.
type Segment struct {
	Name
	Has     Set
	Size    int64    // bytes of the .MF4, else the .raw, else the .part; 0 without any
	Receipt *Receipt // nil without a readable one
}

// Open reports that it is being written, or was when the power failed.
func (s Segment) Open() bool { return s.Has.Has(Part) }

// Sealed reports that its bytes never change again.
func (s Segment) Sealed() bool { return s.Has.Has(Sealed) }

// Pinned reports that it goes first in the queue and last in retention.
func (s Segment) Pinned() bool { return s.Has.Has(Keep) }

// Sent reports that the store has confirmed it: sealed, with a receipt that can
// be read.
func (s Segment) Sent() bool { return s.Sealed() && s.Receipt != nil }

// Listing is what a scan of the card found.
type Listing struct {
	Segments []Segment // ours, by Name
	Sessions []uint32  // our folders, rising, also empty ones
	Foreign  int       // segments of other devices, counted up to 100,000
	Ignored  []string  // names in our folders that are no names of ours, the first 100
	Problems []error   // folders and files that could not be read, and are not in Segments; the first 100
}

// Scan lists the card. A card without a LOG folder is empty. A folder that cannot
// be read, or has too many names, is a problem of its own and hides no other; an
// error means that not even our folders could be listed.
func (c Card) Scan() (Listing, error) {
	var l Listing
	devices, err := readDir(c.FS, logFolder)
	if err != nil {
		return Listing{}, err
	}
	for _, d := range devices {
		if d.Name() != string(c.Device) && isDevice(d.Name()) && d.IsDir() {
			l.Foreign += c.countForeign(Device(d.Name()), maxForeign-l.Foreign)
		}
	}
	sessions, err := readDir(c.FS, c.home())
	if err != nil {
		return Listing{}, err
	}
	for _, s := range sessions {
		c.scanSession(s, &l)
	}
	return l, nil
}

// readDir takes a folder that is absent for empty.
func readDir(fsys interface {
	ReadDir(string) ([]fs.DirEntry, error)
}, name string) ([]fs.DirEntry, error) {
	entries, err := fsys.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (c Card) scanSession(entry fs.DirEntry, l *Listing) {
	session, ok := parseNumber(entry.Name())
	if !ok || !entry.IsDir() {
		l.ignore(path.Join(c.home(), entry.Name()))
		return
	}
	l.Sessions = append(l.Sessions, session)
	entries, err := c.FS.ReadDir(c.Folder(session))
	if err != nil {
		l.problem(err)
		return
	}
	found := c.group(session, entries, l.ignore)
	for _, n := range found.names {
		s, err := c.describe(n, found.has[n.Split])
		if err != nil {
			l.problem(err)
			continue
		}
		l.Segments = append(l.Segments, s)
	}
}

func (l *Listing) ignore(name string) {
	if len(l.Ignored) < maxNotes {
		l.Ignored = append(l.Ignored, name)
	}
}

func (l *Listing) problem(err error) {
	if len(l.Problems) < maxNotes {
		l.Problems = append(l.Problems, err)
	}
}

// splits is what one SESSION folder holds.
type splits struct {
	names []Name // rising
	has   map[uint32]Set
}

func (c Card) group(session uint32, entries []fs.DirEntry, ignore func(string)) splits {
	s := splits{has: make(map[uint32]Set)}
	for _, e := range entries {
		split, suffix, ok := parseFile(e.Name())
		switch {
		case ok && e.Type().IsRegular():
			if s.has[split] == 0 {
				s.names = append(s.names, Name{session, split})
			}
			s.has[split] |= suffix.bit()
		case e.Name() != sealFile:
			ignore(path.Join(c.Folder(session), e.Name()))
		}
	}
	slices.SortFunc(s.names, Name.Compare)
	return s
}

// describe adds size and receipt to a name.
func (c Card) describe(n Name, has Set) (Segment, error) {
	s := Segment{Name: n, Has: has}
	for _, suffix := range []Suffix{Sealed, Raw, Part} {
		if !has.Has(suffix) {
			continue
		}
		info, err := c.FS.Stat(c.Path(n, suffix))
		if err != nil {
			return Segment{}, err
		}
		s.Size = info.Size()
		break
	}
	if has.Has(Sent) {
		// Whatever is wrong with it: an unreadable receipt counts as none.
		s.Receipt, _ = c.ReadReceipt(n)
	}
	return s, nil
}

// Load looks at one segment. Without any of its names Has is 0.
func (c Card) Load(n Name) (Segment, error) {
	var has Set
	for _, suffix := range suffixes() {
		info, err := c.FS.Stat(c.Path(n, suffix))
		switch {
		case err == nil && info.Mode().IsRegular():
			has |= suffix.bit()
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return Segment{}, err
		}
	}
	return c.describe(n, has)
}

func (c Card) countForeign(d Device, limit int) (count int) {
	other := Card{FS: c.FS, Device: d}
	sessions, err := readDir(c.FS, other.home())
	if err != nil {
		return 0
	}
	for _, s := range sessions {
		session, ok := parseNumber(s.Name())
		if !ok || !s.IsDir() || count >= limit {
			continue
		}
		entries, _ := c.FS.ReadDir(other.Folder(session))
		count += other.group(session, entries, func(string) {}).content()
	}
	return min(count, limit)
}

// content counts the splits of which there is more than a mark.
func (s splits) content() (count int) {
	for _, has := range s.has {
		if has&Of(Part, Raw, Sealed) != 0 {
			count++
		}
	}
	return count
}
