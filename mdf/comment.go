package mdf

import (
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Values of the entry "end": how the recording ended. They have 8 characters,
// and are the only part of the XML that is ever patched.
const (
	endOpen    = "open    "
	endOrderly = "orderly "
	endCut     = "cut     "
)

// Trees and entries of the comment of HD.
const (
	treeDevice = "Device Information" // entry names are the CANedge's
	treeFile   = "File Information"
	treeOurs   = "canseal"
	treeBuses  = "Bus Information" // in the comment of SI
	treeCrypt  = "CANcrypt CAN"    // and the number of the bus

	deviceType = "000C5EA1"
	format     = "1"
)

// headerXML returns the comment of HD. Values are padded to a fixed width.
func headerXML(h *Header) string {
	var b strings.Builder
	b.WriteString("<HDcomment><TX/><common_properties>")
	tree(&b, treeDevice,
		"firmware version", dotted(h.Version), "hardware version", "00.00", "serial number", h.Device,
		"device type", deviceType, "storage total", fmt.Sprintf("%9d", h.StorageTotal),
		"storage free", fmt.Sprintf("%9d", h.StorageFree), "storage id", or(h.StorageID, "0"),
		"config crc32 checksum", fmt.Sprintf("%08X", h.ConfigCRC32))
	tree(&b, treeFile,
		"session", fmt.Sprintf("%8d", h.Session), "split", fmt.Sprintf("%8d", h.Split),
		"comment", fmt.Sprintf("%-30s", h.Comment))
	ours := []string{"format", format, "end", endOpen, "boot id", h.BootID, "clock offset", fmt.Sprint(h.ClockOffset),
		"flush", fmt.Sprint(h.Flush.Milliseconds()), "config", h.ConfigSHA256}
	if h.Judged != "" {
		ours = append(ours, "judged", h.Judged, "judge", h.Judge)
	}
	tree(&b, treeOurs, ours...)
	for i := range h.Cancrypt {
		h.Cancrypt[i].tree(&b)
	}
	b.WriteString("</common_properties></HDcomment>")
	return b.String()
}

func (c *Cancrypt) tree(b *strings.Builder) {
	var members []string
	for _, a := range c.Members {
		members = append(members, strconv.Itoa(int(a)))
	}
	tree(b, treeCrypt+strconv.Itoa(int(c.Bus)),
		"role", c.Role, "profile", c.Profile, "level", c.Level, "key", strconv.Itoa(c.Key), "methods", fmt.Sprintf("%04X", c.Methods),
		"members", strings.Join(members, ","), "table", fmt.Sprintf("%X", c.Table), "table crc", fmt.Sprintf("%04X", c.TableCRC))
}

// tree writes a tree of entries, given as name and value in turn.
func tree(b *strings.Builder, name string, entries ...string) {
	fmt.Fprintf(b, `<tree name="%s">`, name)
	for i := 0; i < len(entries); i += 2 {
		fmt.Fprintf(b, `<e name="%s" ro="true">%s</e>`, entries[i], escape(entries[i+1]))
	}
	b.WriteString("</tree>")
}

// historyXML returns the comment of FH.
func historyXML(h *Header) string {
	return "<FHcomment><TX>Creation and logging of data.</TX><tool_id>canseal</tool_id><tool_vendor>canseal</tool_vendor>" +
		"<tool_version>" + escape(h.Version) + "</tool_version></FHcomment>"
}

// sourceXML returns the comment of the SI block: the bit rates.
func sourceXML(h *Header) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<SIcomment><TX>CAN</TX><bus name="CAN"/><common_properties><tree name="%s">`, treeBuses)
	for i, rate := range h.BitRates {
		fmt.Fprintf(&b, `<e name="%s" unit="Hz">%7d</e>`, rateName(i), rate)
	}
	b.WriteString("</tree></common_properties></SIcomment>")
	return b.String()
}

func rateName(i int) string { return fmt.Sprintf("CAN%d Bit-rate", i+1) }

// dotted returns version "1.2.3" as the CANedge prints it: 01.02.03.
func dotted(version string) string {
	var a, b, c uint
	fmt.Sscanf(version, "%d.%d.%d", &a, &b, &c) // what is no number is 00
	return fmt.Sprintf("%02d.%02d.%02d", a, b, c)
}

// escape makes ASCII XML text of s; what XML cannot hold becomes "?".
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`&<>"'`, r), r > '~':
			fmt.Fprintf(&b, "&#%d;", r)
		case r < ' ':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// entry is a value in a comment: its text, and where that begins in it.
type entry struct {
	value string
	at    int64
}

// comment is a parsed comment: entries by tree and name, and other elements
// by their name with an empty tree.
type comment map[[2]string]entry

// parseComment reads the XML of an MD block.
func parseComment(text string) (comment, error) {
	c, values := comment{}, map[[2]string]*strings.Builder{}
	d := xml.NewDecoder(strings.NewReader(text))
	var tree, name string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			for key, value := range values {
				c[key] = entry{value: value.String(), at: c[key].at}
			}
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			name = t.Name.Local
			switch {
			case name == "tree":
				tree = attribute(t)
			case name == "e":
				name = attribute(t)
				c[[2]string{tree, name}] = entry{at: d.InputOffset()}
			}
		case xml.CharData:
			key := [2]string{tree, name}
			if values[key] == nil {
				values[key] = &strings.Builder{}
			}
			values[key].Write(t)
		case xml.EndElement:
			name = ""
			if t.Name.Local == "tree" {
				tree = ""
			}
		}
	}
}

// attribute returns the attribute "name" of an element.
func attribute(t xml.StartElement) string {
	for _, a := range t.Attr {
		if a.Name.Local == "name" {
			return a.Value
		}
	}
	return ""
}

func (c comment) text(tree, name string) string {
	return strings.TrimSpace(c[[2]string{tree, name}].value)
}

// number reads an integer entry; an absent or empty one is 0.
func (c comment) number(tree, name string, base, bits int) (int64, error) {
	s := c.text(tree, name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, base, bits)
	if err != nil {
		return 0, fmt.Errorf("%s %q", name, s)
	}
	return n, nil
}

// header fills in what the comment of HD says.
func (c comment) header(h *Header) error {
	var errs []error
	n := func(tree, name string, base, bits int) int64 {
		v, err := c.number(tree, name, base, bits)
		errs = append(errs, err)
		return v
	}
	h.Device = c.text(treeDevice, "serial number")
	h.StorageTotal = n(treeDevice, "storage total", 10, 64)
	h.StorageFree = n(treeDevice, "storage free", 10, 64)
	if id := c.text(treeDevice, "storage id"); id != "0" {
		h.StorageID = id
	}
	h.ConfigCRC32 = uint32(n(treeDevice, "config crc32 checksum", 16, 33))
	h.Session = uint32(n(treeFile, "session", 10, 33))
	h.Split = uint32(n(treeFile, "split", 10, 33))
	h.Comment = c.text(treeFile, "comment")
	h.BootID = c.text(treeOurs, "boot id")
	h.ClockOffset = n(treeOurs, "clock offset", 10, 64)
	h.Flush = time.Duration(n(treeOurs, "flush", 10, 43)) * time.Millisecond
	h.ConfigSHA256 = c.text(treeOurs, "config")
	h.Judged, h.Judge = c.text(treeOurs, "judged"), c.text(treeOurs, "judge")
	for bus := range uint8(8) {
		if crypt, there, err := c.cancrypt(bus + 1); there {
			h.Cancrypt = append(h.Cancrypt, crypt)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// cancrypt reads how a bus was judged.
func (c comment) cancrypt(bus uint8) (out Cancrypt, there bool, err error) {
	tree := treeCrypt + strconv.Itoa(int(bus))
	out = Cancrypt{Bus: bus, Role: c.text(tree, "role"), Profile: c.text(tree, "profile"), Level: c.text(tree, "level")}
	if out.Role == "" {
		return out, false, nil
	}
	key, err1 := c.number(tree, "key", 10, 9)
	methods, err2 := c.number(tree, "methods", 16, 17)
	crc, err3 := c.number(tree, "table crc", 16, 17)
	table, err4 := hex.DecodeString(c.text(tree, "table"))
	members, err5 := addresses(c.text(tree, "members"))
	out.Key, out.Methods, out.TableCRC, out.Table, out.Members = int(key), uint16(methods), uint16(crc), table, members
	return out, true, errors.Join(err1, err2, err3, err4, err5)
}

// addresses reads a list like 1,2,3.
func addresses(text string) (list []uint8, err error) {
	if text == "" {
		return nil, nil
	}
	for a := range strings.SplitSeq(text, ",") {
		n, wrong := strconv.ParseUint(a, 10, 8)
		list, err = append(list, uint8(n)), errors.Join(err, wrong)
	}
	return list, err
}
