package ota

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// Statement is what update.json says (docs/formats.md C11).
type Statement struct {
	Device   string // 8 upper-case hex digits; empty: Fleet
	Fleet    string
	Serial   int64             // 1 to 2^53-1
	NotAfter time.Time         // zero: no end
	Objects  map[string]string // SHA-256 of the bytes, lower-case hex, by name
}

// Limits of what is read from the bucket, in bytes.
const (
	MaxStatement = 4 << 10
	maxSignature = 64 << 10
	maxSerial    = 1<<53 - 1
)

var (
	deviceForm = regexp.MustCompile(`^[0-9A-F]{8}$`)
	fleetForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	hashForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	serialForm = regexp.MustCompile(`^[1-9][0-9]{0,15}$`)
	timeForm   = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`)
)

// ParseStatement reads an update.json: one object, exact names, none twice and
// none unknown, and nothing behind it. Its signature was checked before.
func ParseStatement(text []byte) (Statement, error) {
	s, err := parseStatement(text)
	if err != nil {
		return Statement{}, fmt.Errorf("update.json: %w", err)
	}
	return s, nil
}

func parseStatement(text []byte) (s Statement, err error) {
	if len(text) > MaxStatement {
		return s, fmt.Errorf("%d bytes, at most %d are read", len(text), MaxStatement)
	}
	if !utf8.Valid(text) {
		return s, fmt.Errorf("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	version := ""
	err = members(d, func(name string) error {
		switch name {
		case "canseal_update":
			return number(d, name, &version)
		case "device":
			return word(d, name, deviceForm, "8 upper-case hex digits", &s.Device)
		case "fleet":
			return word(d, name, fleetForm, "at most 64 of letters, digits, . _ -", &s.Fleet)
		case "serial":
			return s.serial(d)
		case "not_after":
			return s.notAfter(d)
		case "objects":
			return s.objects(d)
		}
		return fmt.Errorf("%.40q is no field of it", name)
	})
	switch {
	case err != nil:
		return s, err
	case len(bytes.TrimSpace(text[d.InputOffset():])) > 0:
		return s, fmt.Errorf("bytes behind the object, at %d", d.InputOffset())
	case version != "1":
		return s, fmt.Errorf("canseal_update is %.20q, wanted 1: missing, or newer than this program", version)
	case (s.Device == "") == (s.Fleet == ""):
		return s, fmt.Errorf("wanted one of device and fleet")
	case s.Serial == 0:
		return s, fmt.Errorf("no serial")
	case len(s.Objects) == 0:
		return s, fmt.Errorf("no objects")
	}
	return s, nil
}

// members walks the members of the object that comes next; none may come twice.
func members(d *json.Decoder, member func(name string) error) error {
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("found %v, wanted a name", t)
		case seen[name]:
			return fmt.Errorf("%.40q is there twice", name)
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	return delimiter(d, '}')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("found %.40q, wanted %s", fmt.Sprint(t), want)
	}
	return nil
}

func number(d *json.Decoder, name string, to *string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	n, ok := t.(json.Number)
	if !ok {
		return fmt.Errorf("%s: wanted a number", name)
	}
	*to = n.String()
	return nil
}

func word(d *json.Decoder, name string, form *regexp.Regexp, want string, to *string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	text, ok := t.(string)
	if !ok || !form.MatchString(text) {
		return fmt.Errorf("%s: found %.80q, wanted %s", name, fmt.Sprint(t), want)
	}
	*to = text
	return nil
}

func (s *Statement) serial(d *json.Decoder) error {
	var text string
	if err := number(d, "serial", &text); err != nil {
		return err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if !serialForm.MatchString(text) || err != nil || n > maxSerial {
		return fmt.Errorf("serial: found %.40q, wanted a whole number from 1 to 2^53-1", text)
	}
	s.Serial = n
	return nil
}

func (s *Statement) notAfter(d *json.Decoder) error {
	var text string
	if err := word(d, "not_after", timeForm, "a time like 2026-12-31T00:00:00Z", &text); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.IsZero() {
		return fmt.Errorf("not_after: %.40q is no time", text)
	}
	s.NotAfter = t
	return nil
}

func (s *Statement) objects(d *json.Decoder) error {
	s.Objects = map[string]string{}
	return members(d, func(name string) error {
		if name != Config && name != Bundle {
			return fmt.Errorf("objects: found %.40q, wanted %s or %s", name, Config, Bundle)
		}
		var hash string
		err := word(d, name, hashForm, "64 lower-case hex digits", &hash)
		s.Objects[name] = hash
		return err
	})
}

// standing is what of a statement stands against it, given who we are and what
// was accepted before. An empty text: nothing.
func (s Statement) standing(device, fleet string, known Serial, statement string) string {
	switch {
	case s.Device != "" && s.Device != device:
		return fmt.Sprintf("for device %s, this is %s", s.Device, device)
	case s.Fleet != "" && s.Fleet != fleet:
		return fmt.Sprintf("for fleet %.64q, this device is of %.64q", s.Fleet, fleet)
	case s.Serial < known.Serial:
		return fmt.Sprintf("serial %d, and %d was accepted before: an old statement", s.Serial, known.Serial)
	case s.Serial == known.Serial && statement != known.Statement:
		return fmt.Sprintf("serial %d was used by another statement", s.Serial)
	}
	return ""
}
