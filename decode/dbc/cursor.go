package dbc

import (
	"fmt"
	"strconv"
	"strings"
)

// cursor reads a text from left to right. Its first error sticks: every later
// call returns a zero value and moves nothing, so that a statement is read in
// one go and asked once.
type cursor struct {
	text string
	at   int
	far  int // how far it has looked
	err  *expected

	marked, before int // a place, and the line ends before it
}

// expected says what is missing at a place of the text.
type expected struct {
	at   int
	want string
}

// describe tells what was wanted, and shows what stands there instead.
func (c *cursor) describe(e *expected) string {
	got := "the end of the file"
	if e.at < len(c.text) {
		got = strconv.Quote(strings.ToValidUTF8(c.text[e.at:min(e.at+16, len(c.text))], "?"))
	}
	return fmt.Sprintf("want %s, got %s", e.want, got)
}

func (c *cursor) fail(at int, want string) {
	if c.err == nil {
		c.err = &expected{at, want}
	}
}

// line returns the number of the line, from 1, that holds the place at. It
// counts from the last place asked for.
func (c *cursor) line(at int) int {
	if at < c.marked {
		c.before -= strings.Count(c.text[at:c.marked], "\n")
	} else {
		c.before += strings.Count(c.text[c.marked:at], "\n")
	}
	c.marked = at
	return c.before + 1
}

// delimiters end a word, as white space does.
const delimiters = `:;,"()[]|@`

func isSpace(b byte) bool { return b <= ' ' }

// space skips white space, and remarks from // to the end of a line.
func (c *cursor) space() {
	for c.blanks(); c.at < len(c.text) && c.text[c.at] == '\n'; c.blanks() {
		c.at++
	}
}

// blanks is space within a line.
func (c *cursor) blanks() {
	for c.at < len(c.text) && isSpace(c.text[c.at]) && c.text[c.at] != '\n' {
		c.at++
	}
	if strings.HasPrefix(c.text[c.at:], "//") {
		for c.at < len(c.text) && c.text[c.at] != '\n' {
			c.at++
		}
	}
}

// next returns the byte behind the white space, 0 at the end or after an error.
func (c *cursor) next() byte {
	if c.err != nil {
		return 0
	}
	if c.space(); c.at < len(c.text) {
		return c.text[c.at]
	}
	return 0
}

// optional takes b if it comes next.
func (c *cursor) optional(b byte) bool {
	if c.next() != b || c.at == len(c.text) {
		return false
	}
	c.at++
	return true
}

func (c *cursor) punct(b byte) {
	if c.err == nil && !c.optional(b) {
		c.fail(c.at, strconv.QuoteRune(rune(b)))
	}
}

// peek returns the next word without taking it, "" if there is none.
func (c *cursor) peek() string {
	if c.next() == 0 {
		return ""
	}
	return c.wordHere()
}

// wordHere returns the word that begins at this very place.
func (c *cursor) wordHere() string {
	end := c.at
	for end < len(c.text) && !isSpace(c.text[end]) && strings.IndexByte(delimiters, c.text[end]) < 0 {
		end++
	}
	return c.text[c.at:end]
}

// word takes a run of bytes that are neither white space nor delimiters.
func (c *cursor) word(want string) string {
	w := c.peek()
	if c.err == nil && w == "" {
		c.fail(c.at, want)
	}
	c.at += len(w)
	return w
}

// number takes a decimal number, with or without sign, point and exponent.
func (c *cursor) number() float64 {
	w := c.word("a number")
	if c.err != nil {
		return 0
	}
	v, ok := float(w)
	if !ok {
		c.fail(c.at-len(w), "a number")
	}
	return v
}

// float reads a number; beyond the range of float64 it is infinite.
func float(w string) (float64, bool) {
	v, err := strconv.ParseFloat(w, 64)
	return v, err == nil || v != 0
}

// integer takes a number from 0 to most.
func (c *cursor) integer(most uint64, want string) uint64 {
	w := c.word(want)
	if c.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(w, "+"), 10, 64)
	if err != nil || v > most {
		c.fail(c.at-len(w), want)
		return 0
	}
	return v
}

// quoted takes a text in quotation marks, in which \" stands for one.
func (c *cursor) quoted() string {
	if c.punct('"'); c.err != nil {
		return ""
	}
	begin, escapes := c.at, false
	for i := begin; i < len(c.text); i++ {
		switch c.text[i] {
		case '\\':
			if i+1 < len(c.text) && c.text[i+1] == '"' {
				escapes = true
				i++
			}
		case '"':
			c.at = i + 1
			if escapes {
				return strings.ReplaceAll(c.text[begin:i], `\"`, `"`)
			}
			return c.text[begin:i]
		}
	}
	c.far = len(c.text)
	c.fail(begin-1, "a text with quotation marks at both ends")
	return ""
}

// quotedHere is quoted for a text that does not go on in the next line.
func (c *cursor) quotedHere() string {
	begin := c.at
	text := c.quoted()
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		c.far = max(c.far, c.at)
		c.at = begin
		c.fail(begin, "a text with quotation marks at both ends")
		return ""
	}
	return text
}

// words takes words, with or without commas between them, up to a keyword or
// a byte that starts no word.
func (c *cursor) words() (list []string) {
	for {
		c.optional(',')
		w := c.peek()
		if w == "" || keywords[w] {
			return list
		}
		list = append(list, c.word("a name"))
	}
}

// lineWords is words within a line; a line that ends with a comma goes on.
func (c *cursor) lineWords() (list []string) {
	for c.err == nil {
		if c.blanks(); c.at < len(c.text) && c.text[c.at] == ',' {
			c.at++
			c.space()
		}
		if c.at == len(c.text) || c.wordHere() == "" || keywords[c.wordHere()] {
			break
		}
		list = append(list, c.word("a name"))
	}
	return list
}

// skipLine moves to the start of the next line.
func (c *cursor) skipLine() {
	if i := strings.IndexByte(c.text[c.at:], '\n'); i >= 0 {
		c.at += i + 1
	} else {
		c.at = len(c.text)
	}
}

// resync moves to the next line that begins with a keyword.
func (c *cursor) resync() {
	c.err = nil
	for c.skipLine(); c.at < len(c.text) && !keywords[c.firstWord()]; c.skipLine() {
	}
}

// firstWord returns the word that begins the line, without moving.
func (c *cursor) firstWord() string {
	ahead := cursor{text: c.text, at: c.at}
	ahead.blanks()
	return ahead.wordHere()
}

// skipStatement moves behind the next semicolon outside of texts, or to a line
// that begins with a keyword, whichever comes first.
func (c *cursor) skipStatement() {
	for c.err == nil && c.at < len(c.text) {
		switch c.text[c.at] {
		case ';':
			c.at++
			return
		case '"':
			c.quoted()
		case '\n':
			if c.at++; keywords[c.firstWord()] {
				return
			}
		default:
			c.at++
		}
	}
}
