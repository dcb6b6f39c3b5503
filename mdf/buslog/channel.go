package buslog

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
)

// Kinds of channels (CN type).
const (
	fixedLength   = 0
	vlsdLength    = 1
	master        = 2
	virtualMaster = 3
	greatest      = 5 // MLSD: fixed room, length in another channel
	virtual       = 6
)

const syncTime = 1

// channel is a CN block as far as frames need it. The members of a structure
// have its name and their own behind the point.
type channel struct {
	at           int64
	name, member string
	kind, sync   uint8
	order        uint8 // CN data type: 0 unsigned LE, 1 BE, 2/3 signed, 4/5 float, 10 bytes
	bit          int
	byte         int
	bits         int
	data         int64 // address of SD, or of a VLSD group
	conversion   conversion
}

// channels reads a list of CN blocks and their compositions, flat. record is
// the bytes of a record; a channel that leaves it is left out.
func (f *File) channels(at int64, record int) ([]channel, error) {
	var all []channel
	err := f.listed(at, record, "", map[int64]bool{}, &all)
	return all, err
}

func (f *File) listed(at int64, record int, owner string, seen map[int64]bool, all *[]channel) error {
	for at != 0 && !seen[at] && len(*all) < maxParts {
		seen[at] = true
		cn, err := f.block(at, "CN", 8, 72)
		if err != nil {
			return err
		}
		c := f.channel(cn, owner)
		inside := c.byte*8+c.bit+c.bits <= record*8
		if inside || c.kind == virtual || c.kind == virtualMaster {
			*all = append(*all, c)
		}
		if inner := cn.links[1]; inner != 0 && owner == "" {
			if kind, _, _, err := f.source.head(inner); err == nil && kind == "CN" {
				if err := f.listed(inner, record, c.name, seen, all); err != nil {
					return err
				}
			}
		}
		at = cn.links[0]
	}
	return nil
}

func (f *File) channel(cn *block, owner string) channel {
	c := channel{
		at: cn.at, kind: cn.u8(0), sync: cn.u8(1), order: cn.u8(2), bit: int(cn.u8(3) & 7),
		byte: int(min(cn.u32(4), maxRecord)), bits: int(min(cn.u32(8), 8*maxRecord)), data: cn.links[5],
		conversion: f.conversion(cn.links[4]),
	}
	name := f.text(cn.links[2])
	switch before, after, found := strings.Cut(name, "."); {
	case found && frameStages[before] != 0:
		c.name, c.member = before, after
	case owner != "":
		c.name, c.member = owner, name
	default:
		c.name = name
	}
	return c
}

// number takes an integer from a record.
type number struct {
	at       int
	shift    uint8
	bytes    uint8 // big-endian: how many to turn
	constant bool  // value is the number
	there    bool  // the group has it
	mask     uint64
	value    uint64
	table    []uint64 // by raw value, nil: none
	linear   bool
	a, b     float64
}

// numberOf makes the number of a channel; one that cannot be read is absent.
func numberOf(c *channel) number {
	if c == nil || c.kind == virtualMaster {
		return number{}
	}
	if c.kind == virtual {
		v, ok := c.conversion.of(0)
		return number{there: ok, constant: true, value: v}
	}
	n := number{there: true, at: c.byte, shift: uint8(c.bit), mask: math.MaxUint64}
	if c.order > 3 || c.bits == 0 || c.bit+c.bits > 64 {
		return number{}
	}
	n.mask >>= 64 - c.bits
	if c.order&1 != 0 {
		n.bytes = uint8((c.bit + c.bits + 7) / 8)
	}
	switch c.conversion.kind {
	case ccNone:
	case ccLinear:
		n.linear, n.a, n.b = true, c.conversion.values[0], c.conversion.values[1]
	default:
		n.table = c.conversion.table(c.bits)
	}
	return n
}

// of returns the value in a record, which has eight bytes more than it should.
func (n *number) of(rec []byte) uint64 {
	if n.constant || !n.there {
		return n.value
	}
	v := binary.LittleEndian.Uint64(rec[n.at:])
	if n.bytes > 0 {
		v = bits.ReverseBytes64(v) >> (64 - 8*n.bytes)
	}
	v = v >> n.shift & n.mask
	switch {
	case n.table != nil:
		return n.table[min(v, uint64(len(n.table)-1))]
	case n.linear:
		return whole(n.a + n.b*float64(v))
	}
	return v
}

// whole makes a count of a float; what cannot be one is 0.
func whole(f float64) uint64 {
	if f >= 0 && f < 1<<63 {
		return uint64(f)
	}
	return 0
}

// Kinds of conversions (CC type).
const (
	ccNone         = 0
	ccLinear       = 1
	ccRational     = 2
	ccInterpolated = 4
	ccSteps        = 5
)

// conversion is a CC block with numbers in and out; others are taken as none.
type conversion struct {
	kind   uint8
	values []float64
}

func (f *File) conversion(at int64) conversion {
	if at == 0 {
		return conversion{}
	}
	cc, err := f.block(at, "CC", 4, 24)
	if err != nil {
		return conversion{}
	}
	c := conversion{kind: cc.u8(0)}
	need := map[uint8]int{ccLinear: 2, ccRational: 6, ccInterpolated: 4, ccSteps: 4}[c.kind]
	n := min(int(cc.u16(6)), (len(cc.data)-24)/8, 1024)
	if need == 0 || n < need {
		return conversion{}
	}
	for i := range n {
		c.values = append(c.values, math.Float64frombits(cc.u64(24+8*i)))
	}
	if c.kind == ccLinear && c.values[0] == 0 && c.values[1] == 1 {
		return conversion{}
	}
	return c
}

// of converts one value.
func (c *conversion) of(raw float64) (uint64, bool) {
	v := c.values
	switch c.kind {
	case ccNone:
		return whole(raw), true
	case ccLinear:
		return whole(v[0] + v[1]*raw), true
	case ccRational:
		return whole((v[0]*raw*raw + v[1]*raw + v[2]) / (v[3]*raw*raw + v[4]*raw + v[5])), true
	}
	return whole(nearest(v, raw)), true
}

// nearest looks raw up in pairs of key and value; the lower of two keys at
// equal distance counts.
func nearest(pairs []float64, raw float64) float64 {
	best, distance := 0.0, math.Inf(1)
	for i := 0; i+1 < len(pairs); i += 2 {
		if d := math.Abs(pairs[i] - raw); d < distance {
			best, distance = pairs[i+1], d
		}
	}
	return best
}

// table converts every value of so many bits, at most the first 256.
func (c *conversion) table(bits int) []uint64 {
	t := make([]uint64, 1<<min(bits, 8))
	for raw := range t {
		t[raw], _ = c.of(float64(raw))
	}
	return t
}
