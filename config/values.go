package config

import (
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ByteSize is a number of bytes, written with a unit: kB MB GB are powers of
// 1000, KiB MiB GiB of 1024.
type ByteSize int64

// BitRate is bits per second, written 500k, 33.333k or 2M.
type BitRate int64

// Reserve is room on the card: a share of it, or a number of bytes. One of the
// two is zero.
type Reserve struct {
	Percent float64
	Bytes   ByteSize
}

// Payload is up to 64 bytes, written as pairs of hex digits; nil where absent.
type Payload []byte

// Match says which identifiers are meant: one, a range or a mask.
type Match struct {
	Extended    bool   // 29 bits
	First, Last uint32 // equal for one identifier, and with a mask
	Mask        uint32 // 0: First..Last; else the bits that must be those of First
}

// Single tells whether exactly one identifier is meant.
func (m Match) Single() bool { return m.First == m.Last && m.Mask == 0 }

// Has tells whether an identifier is meant.
func (m Match) Has(id uint32, extended bool) bool {
	if extended != m.Extended {
		return false
	}
	if m.Mask != 0 {
		return id&m.Mask == m.First&m.Mask
	}
	return m.First <= id && id <= m.Last
}

func (m Match) String() string {
	bits, digits := 11, 3
	if m.Extended {
		bits, digits = 29, 8
	}
	text := fmt.Sprintf("%d:0x%0*X", bits, digits, m.First)
	switch {
	case m.Mask != 0:
		text += fmt.Sprintf("/0x%0*X", digits, m.Mask)
	case m.Last != m.First:
		text += fmt.Sprintf("-0x%0*X", digits, m.Last)
	}
	return text
}

func (p Payload) String() string { return strings.ToUpper(hex.EncodeToString(p)) }

func (b ByteSize) String() string { return inUnits(int64(b), sizeUnits) }

func (b BitRate) String() string {
	switch {
	case b >= 1e6 && b%1e5 == 0:
		return strconv.FormatFloat(float64(b)/1e6, 'f', -1, 64) + "M"
	default:
		return strconv.FormatFloat(float64(b)/1e3, 'f', -1, 64) + "k"
	}
}

func (r Reserve) String() string {
	if r.Bytes != 0 {
		return r.Bytes.String()
	}
	return strconv.FormatFloat(r.Percent, 'f', -1, 64) + "%"
}

// Of is the reserve in bytes on a file system with so many bytes.
func (r Reserve) Of(total int64) int64 {
	if r.Bytes != 0 {
		return int64(r.Bytes)
	}
	return int64(float64(total) / 100 * r.Percent)
}

// unit is a word behind a number; in a list the greater comes first.
type unit struct {
	name string
	size int64
}

var (
	sizeUnits = []unit{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}}
	timeUnits = []unit{
		{"d", int64(24 * time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)}, {"s", int64(time.Second)}, {"ms", int64(time.Millisecond)},
	}
	rateUnits = []unit{{"M", 1e6}, {"k", 1e3}}
)

// showTime prints a time as the file could say it.
func showTime(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return inUnits(int64(d), timeUnits)
}

// inUnits prints n in the greatest unit that divides it.
func inUnits(n int64, units []unit) string {
	for _, u := range units {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	last := units[len(units)-1]
	return strconv.FormatFloat(float64(n)/float64(last.size), 'f', -1, 64) + last.name
}

var plainNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?$`)

// fromUnits reads a number with one of the units; decimals only where the
// result is whole.
func fromUnits(text string, units []unit) (int64, bool) {
	number := strings.TrimRight(text, "BGKMTabcdefghijklmnopqrstuvwxyz")
	for _, u := range units {
		if text != number+u.name || !plainNumber.MatchString(number) {
			continue
		}
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			return n * u.size, n <= math.MaxInt64/u.size
		}
		f, _ := strconv.ParseFloat(number, 64)
		f *= float64(u.size)
		return int64(math.Round(f)), f < 1<<53 && math.Abs(f-math.Round(f)) < 1e-6
	}
	return 0, false
}
