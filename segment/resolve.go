package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"canseal/internal/durable"
)

// Resolve settles names of one split that may share content, as a rename cut off
// on FAT leaves them (AtBoot says when). Of the names with content one stays:
//
//   - those that are empty, or that readable refuses, go, if any other is left;
//   - when one begins like another they are the same file, and the longest stays;
//   - else they are two forms of one segment, and the furthest stays: .MF4 before
//     .raw before .part before .tmp.
//
// What stays is a copy, because removing a name frees the clusters it shares; only
// two good forms of different content are known not to share any. A copy of which
// it is no longer known what it was becomes .part: repairing a finished file
// changes no byte. Resolve reports the name that stayed. Cut off at any place, the
// next Resolve goes on.
func (c Card) Resolve(n Name, readable func(durable.File) bool) (Suffix, error) {
	claims, err := c.claims(n, readable)
	if err != nil {
		return "", fmt.Errorf("resolve segment %s: %w", n, err)
	}
	stays, shared, err := c.judge(n, claims)
	if err != nil {
		return "", fmt.Errorf("resolve segment %s: %w", n, err)
	}
	var all Set
	for _, claim := range claims {
		all |= claim.suffix.bit()
	}
	if !shared && target(stays) == stays {
		return stays, c.Drop(n, all&^stays.bit())
	}
	return target(stays), c.replace(n, stays, all)
}

// target is the name for what stays.
func target(s Suffix) Suffix {
	if s == Sealed || s == Raw {
		return s
	}
	return Part
}

// claim is a name that may hold the segment.
type claim struct {
	suffix Suffix
	size   int64
	good   bool
}

// claims are the names with content, the furthest first.
func (c Card) claims(n Name, readable func(durable.File) bool) (found []claim, err error) {
	for _, suffix := range append([]Suffix{Sealed, Raw, Part, Tmp}, copies()...) {
		f, err := c.FS.Open(c.Path(n, suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		size, err := f.Size()
		found = append(found, claim{suffix, size, err == nil && size > 0 && readable(f)})
		f.Close()
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return found, nil
}

// judge finds what stays, and whether any other may share clusters with it.
func (c Card) judge(n Name, claims []claim) (stays Suffix, shared bool, err error) {
	good := slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return !c.good })
	if len(good) == 0 {
		longest := slices.MaxFunc(claims, func(a, b claim) int { return int(min(max(a.size-b.size, -1), 1)) })
		return longest.suffix, len(claims) > 1, nil
	}
	best, shared := good[0], len(good) < len(claims)
	for _, other := range good[1:] {
		same, err := c.sameStart(n, best, other)
		if err != nil {
			return "", false, err
		}
		shared = shared || same
		if same && other.size > best.size {
			best = other
		}
	}
	return best.suffix, shared, nil
}

// sameStart reports whether the shorter is the beginning of the longer.
func (c Card) sameStart(n Name, a, b claim) (bool, error) {
	f, err := c.FS.Open(c.Path(n, a.suffix))
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := c.FS.Open(c.Path(n, b.suffix))
	if err != nil {
		return false, err
	}
	defer g.Close()
	size := min(a.size, b.size)
	return equal(io.NewSectionReader(f, 0, size), io.NewSectionReader(g, 0, size))
}

func equal(a, b io.Reader) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err != nil || err2 != nil {
			return err == err2, ended(err)
		}
	}
}

// ended turns the two ends of ReadFull into none.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// replace copies what stays, removes all the names, and gives the copy its own.
// Nothing is removed before the copy is durable, and the copy is renamed when
// nothing else is left.
func (c Card) replace(n Name, stays Suffix, all Set) error {
	free := slices.IndexFunc(copies(), func(s Suffix) bool { return !all.Has(s) })
	if free < 0 {
		return fmt.Errorf("all names for a copy are taken: %w", fs.ErrExist)
	}
	copied := copies()[free]
	if err := c.copy(n, stays, copied); err != nil {
		return err
	}
	if err := c.Drop(n, all); err != nil {
		return err
	}
	return c.Rename(n, copied, target(stays))
}

func (c Card) copy(n Name, from, to Suffix) error {
	source, err := c.FS.Open(c.Path(n, from))
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := c.FS.Create(c.Path(n, to), 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	if err == nil {
		err = copied.Sync()
	}
	if err := errors.Join(err, copied.Close()); err != nil {
		// A full card must not stay full of half a copy.
		c.FS.Remove(c.Path(n, to))
		return err
	}
	return c.sync(n.Session)
}
