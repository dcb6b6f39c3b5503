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
	Size    int64    // bytes of the .MF4, else the .part, else the .raw; 0 without any
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
		s, err := c.complete(Segment{Name: n, Has: found.has[n.Split]}, func() (fs.FileInfo, error) {
			return found.content[n.Split].Info()
		})
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
	names   []Name // rising
	has     map[uint32]Set
	content map[uint32]fs.DirEntry
}

func (c Card) group(session uint32, entries []fs.DirEntry, ignore func(string)) splits {
	s := splits{has: make(map[uint32]Set), content: make(map[uint32]fs.DirEntry)}
	for _, e := range entries {
		split, suffix, ok := parseFile(e.Name())
		switch {
		case ok && e.Type().IsRegular():
			s.add(Name{session, split}, suffix, e)
		case e.Name() != sealFile:
			ignore(path.Join(c.Folder(session), e.Name()))
		}
	}
	slices.SortFunc(s.names, Name.Compare)
	return s
}

func (s *splits) add(n Name, suffix Suffix, e fs.DirEntry) {
	if s.has[n.Split] == 0 {
		s.names = append(s.names, n)
	}
	s.has[n.Split] |= suffix.bit()
	if s.content[n.Split] == nil && Of(Sealed, Part, Raw).Has(suffix) {
		s.content[n.Split] = e // the first: entries come by name
	}
}

// complete adds size and receipt. Whatever is wrong with a receipt: an unreadable
// one counts as none.
func (c Card) complete(s Segment, info func() (fs.FileInfo, error)) (Segment, error) {
	if s.Has&Of(Sealed, Part, Raw) != 0 {
		i, err := info()
		if err != nil {
			return Segment{}, err
		}
		s.Size = i.Size()
	}
	if s.Has.Has(Sent) {
		s.Receipt, _ = c.ReadReceipt(s.Name)
	}
	return s, nil
}

// Load looks at one segment. Without any of its names Has is 0.
func (c Card) Load(n Name) (Segment, error) {
	s := Segment{Name: n}
	var content fs.FileInfo
	for _, suffix := range []Suffix{Sealed, Part, Raw, Tmp, Keep, Upload, Sent, Copy, Copy2, Copy3, SentCopy} {
		info, err := c.FS.Stat(c.Path(n, suffix))
		switch {
		case err == nil && info.Mode().IsRegular():
			s.Has |= suffix.bit()
			if content == nil {
				content = info
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return Segment{}, err
		}
	}
	return c.complete(s, func() (fs.FileInfo, error) { return content, nil })
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
		count += len(other.group(session, entries, func(string) {}).content)
	}
	return min(count, limit)
}
