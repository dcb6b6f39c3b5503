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
//   - those that are empty, or that identify refuses, go, if any other is left;
//   - those that hold another segment than the furthest name, by identify, are
//     moved to a split of their own, as .part;
//   - when one begins like another they are the same file, and the longest stays;
//   - else they are two forms of one segment, and the furthest stays: .MF4 before
//     .raw before .part before .tmp.
//
// What stays is a copy, because removing a name frees the clusters it shares; only
// two good forms of different content are known not to share any. A copy of which
// it is no longer known what it was becomes .part: repairing a finished file
// changes no byte. Cut off at any place, the next Resolve goes on.
//
// identify tells which segment a file holds, whatever its name; ok is false for
// one that can neither be repaired nor read.
func (c Card) Resolve(n Name, identify func(durable.File) (id Identity, ok bool)) (Settled, error) {
	claims, err := c.claims(n, identify)
	if err == nil {
		var out Settled
		if out.Moved, claims, err = c.moveOthers(n, claims, identify); err == nil {
			err = c.settle(n, claims, &out)
		}
		if err == nil {
			return out, nil
		}
	}
	return Settled{}, fmt.Errorf("resolve segment %s: %w", n, err)
}

// Settled is what a Resolve made of the names of a split.
type Settled struct {
	Stays   Suffix
	Moved   []Name // splits that hold what did not belong to this one
	Refused Set    // names with content that could not be read, removed
}

// Identity tells one segment from another, in all its forms and under all its
// names: what its header says.
type Identity struct {
	Session, Split uint32
	Start          int64 // ns
}

func (c Card) settle(n Name, claims []claim, out *Settled) error {
	stays, shared, err := c.judge(n, claims)
	if err != nil {
		return err
	}
	var all Set
	for _, claim := range claims {
		all |= claim.suffix.bit()
		if !claim.good && claim.size > 0 && claim.suffix != stays {
			out.Refused |= claim.suffix.bit()
		}
	}
	out.Stays = target(stays)
	if !shared && out.Stays == stays {
		return c.Drop(n, all&^stays.bit())
	}
	return c.replace(n, stays, all)
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
	id     Identity
	good   bool
}

// claims are the names with content, the furthest first.
func (c Card) claims(n Name, identify func(durable.File) (Identity, bool)) (found []claim, err error) {
	for _, suffix := range append([]Suffix{Sealed, Raw, Part, Tmp}, copies()...) {
		f, err := c.FS.Open(c.Path(n, suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		claim := claim{suffix: suffix}
		if claim.size, err = f.Size(); err == nil && claim.size > 0 {
			claim.id, claim.good = identify(f)
		}
		found = append(found, claim)
		f.Close()
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return found, nil
}

// moveOthers gives each segment that is not the one of the furthest name a split
// of its own, and returns the claims that are left.
func (c Card) moveOthers(n Name, claims []claim, identify func(durable.File) (Identity, bool)) (moved []Name, rest []claim, err error) {
	first := slices.IndexFunc(claims, func(c claim) bool { return c.good })
	for _, claim := range claims {
		if !claim.good || claim.id == claims[first].id {
			rest = append(rest, claim)
			continue
		}
		to, err := c.move(n, claim, identify)
		if err != nil {
			return nil, nil, err
		}
		moved = append(moved, to)
	}
	return moved, rest, nil
}

// move makes a copy under a split of its own before the name goes. A copy that is
// there already, because the power failed before the name was gone, is not made
// again. The copy is whole when it is .part, and it may share clusters with its
// .tmp only.
func (c Card) move(n Name, from claim, identify func(durable.File) (Identity, bool)) (Name, error) {
	to, done, err := c.placeFor(n, from.id, identify)
	if err != nil {
		return to, err
	}
	if !done {
		if err := c.copy(n, from.suffix, to, Tmp); err != nil {
			return to, err
		}
		if err := c.Rename(to, Tmp, Part); err != nil {
			return to, err
		}
	}
	return to, c.Drop(n, from.suffix.bit())
}

// placeFor finds the split behind n that has the segment already, or is free.
func (c Card) placeFor(n Name, id Identity, identify func(durable.File) (Identity, bool)) (to Name, done bool, err error) {
	entries, err := c.FS.ReadDir(c.Folder(n.Session))
	if err != nil {
		return to, false, err
	}
	found := c.group(n.Session, entries, func(string) {})
	for _, other := range found.names {
		to.Split = max(to.Split, other.Split)
		if other.Split <= n.Split || found.has[other.Split]&Of(Sealed, Raw, Part) == 0 {
			continue
		}
		claims, err := c.claims(other, identify)
		if err != nil {
			return to, false, err
		}
		for _, claim := range claims {
			if claim.good && claim.id == id && claim.suffix != Tmp {
				return other, true, nil
			}
		}
	}
	to = Name{n.Session, to.Split + 1}
	if !inRange(to.Split) {
		return to, false, fmt.Errorf("no split is free: %w", fs.ErrExist)
	}
	return to, false, nil
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
	if err := c.copy(n, stays, n, copied); err != nil {
		return err
	}
	if err := c.Drop(n, all); err != nil {
		return err
	}
	return c.Rename(n, copied, target(stays))
}

func (c Card) copy(n Name, from Suffix, m Name, to Suffix) error {
	source, err := c.FS.Open(c.Path(n, from))
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := c.FS.Create(c.Path(m, to), 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	if err == nil {
		err = copied.Sync()
	}
	if err := errors.Join(err, copied.Close()); err != nil {
		// A full card must not stay full of half a copy.
		c.FS.Remove(c.Path(m, to))
		return err
	}
	return c.sync(m.Session)
}
