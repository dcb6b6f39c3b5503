package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// kind is a type of value: how it is read, and how the JSON Schema and a
// person call it.
type kind struct {
	want   string                         // with article
	parse  func(text string) (any, error) // the error is a hint, or empty
	bare   bool                           // true, numbers: not in quotes
	schema string                         // "type" of the schema
	like   string                         // "pattern" of the schema
}

var wholeNumber = kind{
	want: "a whole number", bare: true, schema: "integer",
	parse: func(text string) (any, error) { return parseInt(text) },
}

// kinds are found by type first, then by the kind of Go's type.
var kinds = map[reflect.Type]*kind{
	reflect.TypeFor[ByteSize](): {
		want: "a size", schema: "string", like: `^[0-9]+(\.[0-9]+)?([kMG]B|[KMG]iB)$`,
		parse: withUnits[ByteSize](sizeUnits, "a number with kB, MB, GB, KiB, MiB or GiB"),
	},
	reflect.TypeFor[time.Duration](): {
		want: "a time", schema: "string", like: `^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$`,
		parse: withUnits[time.Duration](timeUnits, "one number with ms, s, m, h or d"),
	},
	reflect.TypeFor[BitRate](): {
		want: "a bit rate", schema: "string", like: `^[0-9]+(\.[0-9]+)?[kM]$`,
		parse: withUnits[BitRate](rateUnits, "a number with k or M, such as 500k"),
	},
	reflect.TypeFor[Reserve](): {
		want: "a share from 0.1% to 50%, or a size from 1MB on", schema: "string", like: `^[0-9]+(\.[0-9]+)?(%|[kMG]B|[KMG]iB)$`,
		parse: func(text string) (any, error) { return parseReserve(text) },
	},
	reflect.TypeFor[Match](): {
		want: "identifiers such as 11:0x7E8 or 29:0x18FEF100, a range a-b or a mask a/m", schema: "string",
		like:  `^(11:0x[0-9A-Fa-f]{1,3}([-/]0x[0-9A-Fa-f]{1,3})?|29:0x[0-9A-Fa-f]{1,8}([-/]0x[0-9A-Fa-f]{1,8})?)$`,
		parse: func(text string) (any, error) { return parseMatch(text) },
	},
	reflect.TypeFor[Payload](): {
		want: "up to 64 bytes as pairs of hex digits", schema: "string", like: `^([0-9A-Fa-f]{2}){0,64}$`,
		parse: func(text string) (any, error) { return parsePayload(text) },
	},
}

var plainKinds = map[reflect.Kind]*kind{
	reflect.Int: &wholeNumber,
	reflect.String: {
		want: "a text", schema: "string",
		parse: func(text string) (any, error) { return text, nil },
	},
	reflect.Bool: {
		want: "true or false", bare: true, schema: "boolean",
		parse: func(text string) (any, error) { return text == "true", bad(text != "true" && text != "false", "") },
	},
	reflect.Float64: {
		want: "a number", bare: true, schema: "number",
		parse: func(text string) (any, error) { return parseFloat(text) },
	},
}

// kindOf is the kind of a type's values, nil for sections, lists and secrets.
func kindOf(t reflect.Type) *kind {
	if k := kinds[t]; k != nil {
		return k
	}
	return plainKinds[t.Kind()]
}

// bad is an error with a hint where wrong is true.
func bad(wrong bool, hint string) error {
	if wrong {
		return errors.New(hint)
	}
	return nil
}

func withUnits[T ~int64](units []unit, hint string) func(string) (any, error) {
	return func(text string) (any, error) {
		n, ok := fromUnits(text, units)
		return T(n), bad(!ok, hint)
	}
}

var (
	decimal     = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)
	leadingZero = regexp.MustCompile(`^-?0[0-9]+$`)
	float       = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$`)
)

func parseInt(text string) (int, error) {
	if leadingZero.MatchString(text) {
		return 0, errors.New("a leading zero makes it octal for many programs: write it without")
	}
	n, err := strconv.Atoi(text)
	return n, bad(err != nil || !decimal.MatchString(text), "decimal digits only")
}

func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	return f, bad(err != nil || !float.MatchString(text) || math.IsInf(f, 0), "a decimal point, no unit")
}

func parseReserve(text string) (Reserve, error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(number, 64)
		return Reserve{Percent: f}, bad(err != nil || !plainNumber.MatchString(number) || f < 0.1 || f > 50, "")
	}
	n, ok := fromUnits(text, sizeUnits)
	return Reserve{Bytes: ByteSize(n)}, bad(!ok || n < 1e6, "")
}

func parsePayload(text string) (Payload, error) {
	data, err := hex.DecodeString(text)
	return Payload(data), bad(err != nil || len(data) > 64, "such as 0201050000000000")
}

var matchForm = regexp.MustCompile(`^(11|29):0x([0-9A-Fa-f]{1,8})(?:([-/])0x([0-9A-Fa-f]{1,8}))?$`)

// parseMatch takes only the forms that nobody can mistake: hexadecimal and
// with the number of bits.
func parseMatch(text string) (Match, error) {
	form := matchForm.FindStringSubmatch(text)
	if form == nil {
		return Match{}, errors.New(matchHint(text))
	}
	top := uint32(0x7FF)
	if form[1] == "29" {
		top = 0x1FFFFFFF
	}
	first, second := parseHex(form[2]), parseHex(form[4])
	if max(first, second) > top {
		return Match{}, fmt.Errorf("%s bits end at 0x%X", form[1], top)
	}
	m := Match{Extended: form[1] == "29", First: first, Last: first}
	switch form[3] {
	case "-":
		m.Last = second
		return m, bad(second < first, "the range ends before it starts")
	case "/":
		m.Mask = second
		return m, bad(second == 0, "a mask of zero would match everything: use a range")
	}
	return m, nil
}

func parseHex(digits string) uint32 {
	n, _ := strconv.ParseUint(digits, 16, 32)
	return uint32(n)
}

// matchHint shows how to write what may have been meant.
func matchHint(text string) string {
	digits := strings.TrimSuffix(strings.TrimPrefix(strings.ToUpper(text), "0X"), "H")
	hints := identifiers("if hexadecimal, write ", digits, 16)
	if decimal.MatchString(text) {
		hints = append(hints, identifiers("if decimal, ", digits, 10)...)
	}
	return strings.Join(hints, "; ")
}

func identifiers(when, digits string, base int) []string {
	n, err := strconv.ParseUint(digits, base, 29)
	switch {
	case err != nil:
		return nil
	case n > 0x7FF:
		return []string{when + Match{true, uint32(n), uint32(n), 0}.String()}
	}
	return []string{when + Match{false, uint32(n), uint32(n), 0}.String() + " or " + Match{true, uint32(n), uint32(n), 0}.String()}
}
