package dbc

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

const (
	maxBytes    = 64 << 20 // of a file that are read
	maxLength   = 4095     // bytes of a message: the longest of plain ISO-TP
	maxWarnings = 1000     // kept; the last one counts the others
)

// Parse reads a DBC file. It always returns a File: what cannot be read costs
// the item it stands in, and a warning. Memory and time grow with the length
// of the text only; what lies behind 64 MiB is not read.
func Parse(name string, text []byte) (*File, []Warning) { return ParseIn(name, text, Detect) }

// ParseIn is Parse for a file whose encoding is known.
func ParseIn(name string, text []byte, encoding Encoding) (*File, []Warning) {
	sum := sha256.Sum256(text)
	p := parser{
		file:     &File{Name: name, SHA256: hex.EncodeToString(sum[:]), Attributes: Attributes{}},
		messages: map[uint32]*draft{},
		refused:  map[uint32]bool{},
		nodes:    map[string]int{},
		rules:    map[string]*definition{},
		tables:   map[string][]Choice{},
	}
	oversize := len(text) > maxBytes
	p.text, p.file.Encoding = decodeText(text[:min(len(text), maxBytes)], encoding)
	p.statements()
	for _, apply := range p.later {
		apply()
	}
	p.finish()
	if oversize {
		p.warn(p.line(len(p.text)), "the file ends here, as %d MiB are the most", maxBytes>>20)
	}
	if p.dropped > 0 {
		p.warnings = append(p.warnings, Warning{p.lastDropped, fmt.Sprintf("and %d more up to here", p.dropped)})
	}
	return p.file, p.warnings
}

// parser builds a File. Statements that refer to others are kept for later, so
// that their order in the file is free.
type parser struct {
	cursor
	file        *File
	warnings    []Warning
	dropped     int // warnings beyond maxWarnings
	lastDropped int

	drafts   []*draft
	messages map[uint32]*draft // by the number in the file, bit 31 and all
	refused  map[uint32]bool   // messages left out: what refers to them is silent
	current  *draft            // takes the next SG_; nil: none, or left out
	begun    bool              // there was a BO_
	nodes    map[string]int    // short name -> index
	rules    map[string]*definition
	tables   map[string][]Choice
	later    []func()
}

func (p *parser) warn(line int, format string, args ...any) {
	if len(p.warnings) == maxWarnings {
		p.dropped++
		p.lastDropped = line
		return
	}
	p.warnings = append(p.warnings, Warning{line, fmt.Sprintf(format, args...)})
}

// keywords are the words that begin a statement.
var keywords = func() map[string]bool {
	m := map[string]bool{}
	for _, k := range []string{
		"VERSION", "NS_", "BS_", "BU_", "BO_", "SG_", "EV_", "CM_", "BA_", "BA_DEF_", "BA_DEF_DEF_", "VAL_", "VAL_TABLE_",
		"SIG_VALTYPE_", "SG_MUL_VAL_", "BO_TX_BU_", "SIG_GROUP_", "NS_DESC_", "CAT_DEF_", "CAT_", "FILTER", "EV_DATA_", "ENVVAR_DATA_",
		"SGTYPE_", "SGTYPE_VAL_", "BA_DEF_SGTYPE_", "BA_SGTYPE_", "SIG_TYPE_REF_", "SIGTYPE_VALTYPE_", "BA_DEF_REL_", "BA_REL_",
		"BA_DEF_DEF_REL_", "BU_SG_REL_", "BU_EV_REL_", "BU_BO_REL_",
	} {
		m[k] = true
	}
	return m
}()

// statements reads the whole text, one statement after the other. After a bad
// one it goes on with the line behind the one where that began. As a text made
// for it could have all of it read again for each line, no more than some times
// the length of the text is; then it goes on behind the bad place.
func (p *parser) statements() {
	again := 1<<20 + 8*len(p.text)
	for p.next() != 0 {
		begin := p.at
		if p.optional(';') {
			continue
		}
		p.statement(p.peek())
		if p.err != nil {
			p.warn(p.line(p.err.at), "%s", p.describe(p.err))
			p.far = max(p.far, p.at)
			if again -= p.far - begin; again > 0 {
				p.at = begin
			} else {
				p.at = p.far
			}
			p.far = 0
			p.resync()
		}
	}
}

func (p *parser) statement(keyword string) {
	p.at += len(keyword)
	switch keyword {
	case "VERSION":
		p.file.Version = p.quoted()
	case "NS_":
		p.symbols()
	case "BS_":
		p.skipLine()
	case "BU_":
		p.units()
	case "BO_":
		p.message()
	case "SG_":
		p.signal()
	case "CM_":
		p.comment()
	case "BA_DEF_":
		p.attributeRule()
	case "BA_DEF_DEF_":
		p.attributeDefault()
	case "BA_":
		p.attribute()
	case "VAL_":
		p.values()
	case "VAL_TABLE_":
		p.table()
	case "SIG_VALTYPE_":
		p.valueType()
	case "SG_MUL_VAL_":
		p.muxValues()
	case "BO_TX_BU_":
		p.senders()
	default:
		if !keywords[keyword] {
			p.fail(p.at-len(keyword), "a keyword")
		}
		p.skipStatement()
	}
}

// symbols skips the list of NS_: words that stand alone on their lines.
func (p *parser) symbols() {
	p.optional(':')
	for p.skipLine(); p.at < len(p.text); p.skipLine() {
		line := cursor{text: p.text, at: p.at}
		line.blanks()
		line.at += len(line.wordHere())
		line.blanks()
		if line.at < len(line.text) && line.text[line.at] != '\n' {
			return
		}
	}
}

// units takes the names of the control units.
func (p *parser) units() {
	p.punct(':')
	for _, name := range p.words() {
		if _, twice := p.nodes[name]; !twice {
			p.nodes[name] = len(p.file.Nodes)
			p.file.Nodes = append(p.file.Nodes, Node{Name: name, Attributes: Attributes{}})
		}
	}
}
