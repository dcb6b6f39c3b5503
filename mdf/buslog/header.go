package buslog

import (
	"encoding/binary"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
)

const (
	// timeLimit bounds times: ns from 1970, and from the start of a file.
	timeLimit = 1 << 61

	standardFlagsAt = 60
	lastLengthOpen  = 0x04 // length of the last DT is not known
)

// identification reads the ID block.
func (f *File) identification() error {
	b := make([]byte, idSize)
	if err := f.read(b, 0); err != nil {
		return err
	}
	switch string(b[:8]) {
	case "MDF     ":
		f.header.Finalised = true
	case "UnFinMF ":
		f.flags = binary.LittleEndian.Uint16(b[standardFlagsAt:])
	default:
		return corrupt(0, "an MDF file", "%q", b[:8])
	}
	if version := binary.LittleEndian.Uint16(b[28:]); version < 400 || version > 499 {
		return corrupt(28, "MDF version 4", "%d", version)
	}
	f.header.Version = printable(b[8:16])
	f.header.Tool = printable(b[16:24])
	f.header.Ours = f.header.Tool == "canseal"
	return nil
}

// printable is the ASCII text at the front of b.
func printable(b []byte) string {
	end := 0
	for end < len(b) && b[end] >= ' ' && b[end] <= '~' {
		end++
	}
	return strings.TrimSpace(string(b[:end]))
}

// head reads the HD block and its comment.
func (f *File) head() (firstGroup int64, err error) {
	hd, err := f.block(idSize, "HD", 6, 16)
	if err != nil {
		return 0, err
	}
	f.header.Start = int64(hd.u64(0))
	if f.header.Start < -timeLimit || f.header.Start > timeLimit {
		return 0, corrupt(idSize, "a start in ns", "%d", f.header.Start)
	}
	if hd.u8(12)&1 != 0 { // local time, of a zone that nobody knows
		f.header.Start -= (int64(int16(hd.u16(8))) + int64(int16(hd.u16(10)))) * 60e9
	}
	f.say(comment(f.text(hd.links[5])))
	if fh, err := f.block(hd.links[1], "FH", 2, 16); err == nil {
		f.handled = fh.links[0] != 0
	}
	return hd.links[0], nil
}

// say takes what the comment says. A number that is none is 0.
func (f *File) say(c map[string]string) {
	n := func(name string) uint32 {
		v, _ := strconv.ParseUint(c[name], 10, 32)
		return uint32(v)
	}
	h := &f.header
	h.Device, h.Firmware, h.Comment = c["serial number"], c["firmware version"], c["comment"]
	h.Session, h.Split = n("session"), n("split")
	if h.Ours {
		h.End, h.BootID = c["end"], c["boot id"]
		h.ClockOffset, _ = strconv.ParseInt(c["clock offset"], 10, 64)
	}
}

// comment reads the entries of the XML of a comment, up to where it is XML.
func comment(text string) map[string]string {
	entries := map[string]string{}
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	name := ""
	for {
		token, err := d.Token()
		if err != nil {
			return entries
		}
		switch t := token.(type) {
		case xml.StartElement:
			name = ""
			for _, a := range t.Attr {
				if t.Name.Local == "e" && a.Name.Local == "name" {
					name = a.Value
				}
			}
		case xml.CharData:
			if name != "" && entries[name] == "" {
				entries[name] = strings.TrimSpace(string(t))
			}
		case xml.EndElement:
			name = ""
		}
	}
}
