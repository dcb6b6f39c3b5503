package segment

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Object is a segment as it lies in a bucket: what was read of it.
type Object struct {
	Name   Name      // that its key tells
	Start  time.Time // that its key tells, whole seconds
	Line   []byte    // the seal line of its metadata, without a line end; nil: none
	SHA256 string    // of its bytes, 64 lower-case hex digits
	Size   int64     // bytes
}

// ParseKey takes the key of a segment apart: the inverse of Key. ok is false for
// any other key. folder is [prefix/]DEVICEID.
func ParseKey(key string) (folder string, d Device, o Object, ok bool) {
	base, found := strings.CutSuffix(path.Base(key), extension)
	session := path.Dir(key)
	folder = path.Dir(session)
	split, epoch, dashed := strings.Cut(base, "-")
	d = Device(path.Base(folder))
	seconds, err := strconv.ParseUint(epoch, 16, 32)
	var ok1, ok2 bool
	o.Name.Session, ok1 = parseNumber(path.Base(session))
	o.Name.Split, ok2 = parseNumber(split)
	o.Start = time.Unix(int64(seconds), 0).UTC()
	prefix := strings.TrimSuffix(strings.TrimSuffix(folder, string(d)), "/")
	ok = found && dashed && err == nil && ok1 && ok2 && isDevice(string(d)) && Key(prefix, d, o.Name, o.Start) == key
	return folder, d, o, ok
}

// maxMissing bounds the segments that a verification names as missing.
const maxMissing = 10_000

// Objects verifies the segments of one device in a bucket, by the seal lines in
// their metadata. It holds about 500 bytes of each.
type Objects struct {
	keys  *keyring
	links []link
	seen  map[string]Name // lines by Hash
	next  map[string]Name // the segment whose line names this one as Prev
	there map[Name]bool
	out   Verification

	missing int
}

// link is a line in the chain.
type link struct {
	name       Name
	hash, prev string
}

// NewObjects begins with no object.
func NewObjects(d Device, t Trust) *Objects {
	return &Objects{
		keys: t.ring(), seen: map[string]Name{}, next: map[string]Name{}, there: map[Name]bool{},
		out: Verification{Device: d, Required: t.Required, Findings: []Finding{}},
	}
}

// Add takes an object of the device, in any order.
func (o *Objects) Add(b Object) {
	f := Finding{Name: b.Name, Segment: b.Name.String(), Standing: Extra, SHA256: b.SHA256}
	o.there[b.Name] = true
	line, err := ParseSeal(b.Line)
	switch {
	case b.Line == nil:
		f.remark("no seal line in its metadata")
	case err != nil:
		f.remark("its seal line cannot be read")
	default:
		o.hold(&f, b, line)
	}
	o.out.Findings = append(o.out.Findings, f)
}

// hold judges an object by its line.
func (o *Objects) hold(f *Finding, b Object, line SealLine) {
	f.Frames, f.Lost = line.Frames, line.Lost
	f.Standing = standing(line, b.SHA256, b.Size, o.out.Device)
	f.Remarks = remarks(sealedLine{SealLine: line}, b.Name)
	if line.Split != b.Name.Split {
		f.Standing = Altered
		f.remark(fmt.Sprintf("sealed as split %d", line.Split))
	}
	if !line.Start.Truncate(time.Second).Equal(b.Start) {
		f.Standing = Altered
		f.remark("its key names another start")
	}
	if f.Standing == Consistent {
		o.keys.judge(f, line)
	}
	hash := line.Hash()
	if other, twice := o.seen[hash]; twice {
		f.Standing = Extra
		f.remark("the line of " + other.String())
		return
	}
	o.seen[hash] = b.Name
	if other, twice := o.next[line.Prev]; twice && line.Prev != FirstPrev {
		o.broken("%s and %s: their lines follow the same one", other, b.Name)
	}
	o.next[line.Prev] = b.Name
	o.links = append(o.links, link{b.Name, hash, line.Prev})
}

// Verification tells what was found, with the chain of all lines.
func (o *Objects) Verification() Verification {
	slices.SortFunc(o.links, func(a, b link) int { return a.name.Compare(b.name) })
	begins := 0
	for i, l := range o.links {
		if _, here := o.seen[l.prev]; here {
			continue
		}
		switch {
		case l.prev == FirstPrev:
			if begins++; begins > 1 {
				o.note("the chain begins anew with %s", l.name)
			}
		case i == 0:
			o.note("what was sealed before %s is not here", l.name)
		default:
			o.gap(o.links[i-1].name, l.name)
		}
	}
	if _, here := o.seen[o.keys.Head]; o.keys.Head != "" && o.keys.Head != FirstPrev && !here {
		o.note(lostEnd)
	}
	slices.SortStableFunc(o.out.Findings, func(a, b Finding) int { return a.Name.Compare(b.Name) })
	return o.out
}

// gap tells of lines that stood between two segments. Those of one SESSION have
// numbers.
func (o *Objects) gap(before, after Name) {
	told := false
	for n := (Name{after.Session, before.Split + 1}); before.Session == after.Session && n.Split < after.Split && o.missing < maxMissing; n.Split++ {
		if told = true; !o.there[n] {
			o.out.Findings = append(o.out.Findings, Finding{Name: n, Segment: n.String(), Standing: Missing})
			o.missing++
		}
	}
	if !told {
		o.note("the line before %s is not here", after)
	}
}

func (o *Objects) broken(format string, args ...any) {
	o.out.Breaks = append(o.out.Breaks, fmt.Sprintf(format, args...))
}

func (o *Objects) note(format string, args ...any) {
	o.out.Notes = append(o.out.Notes, fmt.Sprintf(format, args...))
}
