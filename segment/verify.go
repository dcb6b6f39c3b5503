package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Standing is what Verify says of one segment.
type Standing string

const (
	Signed     Standing = "signed"     // as Consistent, and the signature of a key that counts is right
	Consistent Standing = "consistent" // hash, size and chain agree; nobody vouches for them
	Altered    Standing = "altered"    // the bytes are not those that were sealed, or the line is not the one that was signed
	Missing    Standing = "missing"    // it was sealed and is not here: deleted after upload, or taken away
	Extra      Standing = "extra"      // there is a file and no line, or the line of another file
	Unsealed   Standing = "unsealed"   // still being written, or cut by a power failure
)

// Finding is the result for one segment.
type Finding struct {
	Name     Name     `json:"-"`
	Segment  string   `json:"segment"` // SESSION/SPLIT
	Standing Standing `json:"standing"`
	Remarks  []string `json:"remarks,omitempty"` // late, renumbered, chain broken before it, cut…
	Key      string   `json:"key,omitempty"`     // SHA-256 of the key that its line names
	By       string   `json:"by,omitempty"`      // whose key that is, when the signature is right
	SHA256   string   `json:"sha256,omitempty"`  // of the file as it is
	Frames   uint64   `json:"frames,omitempty"`  // as sealed
	Lost     uint64   `json:"lost,omitempty"`    // as sealed
}

// Bad tells whether the finding speaks against the segment.
func (f Finding) Bad() bool { return f.Standing == Altered || f.Standing == Extra }

// Verification is what Verify found on a card, or Objects in a bucket.
type Verification struct {
	Device   Device    `json:"device"`
	Required bool      `json:"required,omitempty"` // every segment had to be Signed
	Findings []Finding `json:"findings"`           // by name
	Breaks   []string  `json:"breaks,omitempty"`   // places where the chain of lines is not whole
	Notes    []string  `json:"notes,omitempty"`    // lines that are on no card any more: their SESSION was deleted, or is elsewhere
}

// OK reports that nothing speaks against the card. A missing segment does not, nor
// does a missing SESSION: retention deletes what was sent, and cards are exchanged.
func (v Verification) OK() bool {
	return len(v.Breaks) == 0 && !slices.ContainsFunc(v.Findings, func(f Finding) bool {
		return f.Bad() || v.Required && f.Standing == Consistent
	})
}

// Verify holds every sealed segment of the device against its seal line, every
// line against the one before, and its signature against the keys of t. It reads
// all files whole.
func (c Card) Verify(t Trust) (Verification, error) {
	listing, err := c.Scan()
	if err != nil {
		return Verification{}, err
	}
	v := &verifier{card: c, keys: t.ring(), seen: map[string]Name{}}
	v.out = Verification{Device: c.Device, Required: t.Required, Findings: []Finding{}}
	for _, session := range listing.Sessions {
		if err := v.session(session, listing.Segments); err != nil {
			return Verification{}, err
		}
	}
	if _, here := v.seen[t.Head]; t.Head != "" && t.Head != FirstPrev && !here {
		v.out.Notes = append(v.out.Notes, lostEnd)
	}
	return v.out, nil
}

// lostEnd says that the line is not here that the device calls its last.
const lostEnd = "the last line that the device tells of is not here: what was sealed last is elsewhere, was deleted, or was taken away"

// verifier walks the sessions of a card in their order.
type verifier struct {
	card Card
	keys *keyring
	prev SealLine        // the line before
	seen map[string]Name // lines by Hash
	out  Verification
}

func (v *verifier) session(session uint32, all []Segment) error {
	seals, err := v.card.ReadSeals(session)
	if err != nil {
		return err
	}
	for _, n := range seals.Damaged {
		v.out.Breaks = append(v.out.Breaks, fmt.Sprintf("%s: line %d cannot be read", v.card.SealPath(session), n))
	}
	if seals.Torn > 0 {
		v.out.Breaks = append(v.out.Breaks, fmt.Sprintf("%s: %d bytes after the last whole line", v.card.SealPath(session), seals.Torn))
	}
	lines := map[uint32]sealedLine{}
	for i, line := range seals.Lines {
		v.line(Name{session, line.Split}, line, i == 0, lines)
	}
	for _, s := range all {
		if s.Session == session && s.Has&Of(Part, Raw, Sealed) != 0 {
			if err := v.segment(s, lines[s.Split], seals.Lines); err != nil {
				return err
			}
			delete(lines, s.Split)
		}
	}
	v.missing(session, lines)
	return nil
}

// sealedLine is a line, and how it stands in the chain.
type sealedLine struct {
	SealLine
	broken   bool   // it does not follow the one before it
	unsigned bool   // it is not signed, and the one before it is
	copyOf   string // the segment whose line this is, too
}

// line takes the next line of a SESSION. The first line of a split counts.
func (v *verifier) line(n Name, line SealLine, first bool, lines map[uint32]sealedLine) {
	hash := line.Hash()
	known := v.prev.Device != ""
	follows := !known || line.Prev == v.prev.Hash()
	if !follows && first {
		v.out.Notes = append(v.out.Notes, fmt.Sprintf("lines between %08d and the session before are not here", n.Session))
	}
	l := sealedLine{SealLine: line, broken: !follows && !first, unsigned: known && line.Sig == "" && v.prev.Sig != ""}
	if other, twice := v.seen[hash]; twice {
		l.copyOf = other.String()
	}
	v.prev, v.seen[hash] = line, n
	if _, twice := lines[n.Split]; twice {
		v.out.Breaks = append(v.out.Breaks, fmt.Sprintf("%s: it has a second line", n))
		return
	}
	lines[n.Split] = l
}

// segment judges one file; line is zero when there is none. The bytes of another
// line of its SESSION are named.
func (v *verifier) segment(s Segment, line sealedLine, all []SealLine) error {
	f := Finding{Name: s.Name, Segment: s.Name.String(), Frames: line.Frames, Lost: line.Lost}
	if !s.Sealed() {
		f.Standing = Unsealed
		v.out.Findings = append(v.out.Findings, f)
		return nil
	}
	sum, size, err := v.card.hash(s.Name)
	if err != nil {
		return err
	}
	f.SHA256, f.Standing = sum, standing(line.SealLine, sum, size, v.card.Device)
	f.Remarks = remarks(line, s.Name)
	if f.Standing == Consistent {
		v.keys.judge(&f, line.SealLine)
	}
	if line.copyOf != "" {
		f.Standing = Extra
	}
	for _, other := range all {
		if other.SHA256 == sum && other.Split != s.Split {
			f.Remarks = append(f.Remarks, fmt.Sprintf("sealed as split %d", other.Split))
		}
	}
	v.out.Findings = append(v.out.Findings, f)
	if line.broken {
		v.out.Breaks = append(v.out.Breaks, fmt.Sprintf("%s: its line does not follow the one before it", s.Name))
	}
	return nil
}

func standing(line SealLine, sum string, size int64, d Device) Standing {
	switch {
	case line.SHA256 == "":
		return Extra
	case line.SHA256 != sum || line.Size != size || line.Device != d:
		return Altered
	default:
		return Consistent
	}
}

func remarks(line sealedLine, n Name) (words []string) {
	if line.Late {
		words = append(words, "late")
	}
	if line.Session != n.Session && line.Session != 0 {
		words = append(words, "renumbered")
	}
	if line.End == "cut" {
		words = append(words, "cut")
	}
	if line.broken {
		words = append(words, "chain broken before it")
	}
	if line.unsigned {
		words = append(words, "not signed, and the line before it is")
	}
	if line.copyOf != "" {
		words = append(words, "the line of "+line.copyOf)
	}
	return words
}

// missing lists the lines that are left without a file.
func (v *verifier) missing(session uint32, lines map[uint32]sealedLine) {
	for split, line := range lines {
		n := Name{session, split}
		v.out.Findings = append(v.out.Findings, Finding{Name: n, Segment: n.String(), Standing: Missing, Frames: line.Frames, Lost: line.Lost})
	}
	slices.SortFunc(v.out.Findings, func(a, b Finding) int { return a.Name.Compare(b.Name) })
}

// hash reads a sealed file whole.
func (c Card) hash(n Name) (sum string, size int64, err error) {
	f, err := c.FS.Open(c.Path(n, Sealed))
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", c.Path(n, Sealed), err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// Devices lists the DEVICEIDs that have a folder on the card.
func Devices(c Card) ([]Device, error) {
	entries, err := c.FS.ReadDir(logFolder)
	if err != nil {
		return nil, err
	}
	var devices []Device
	for _, e := range entries {
		if d, err := ParseDevice(e.Name()); err == nil && e.IsDir() {
			devices = append(devices, d)
		}
	}
	return devices, nil
}
