package mdfcheck

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// texts checks every TX and MD block.
func (c *checker) texts() {
	for _, b := range c.blocks {
		if b.kind != "TX" && b.kind != "MD" {
			continue
		}
		text, rest, ended := strings.Cut(string(b.data), "\x00")
		c.expect(ended, "text end", b.at, "a zero byte", "none")
		c.expect(strings.Trim(rest, "\x00") == "", "text end", b.at, "zeros behind the text", fmt.Sprintf("%q", rest))
		c.expect(utf8.ValidString(text), "text", b.at, "UTF-8", fmt.Sprintf("%.40q", text))
		if b.kind == "MD" {
			_, err := elements(text)
			c.expect(err == nil, "xml", b.at, "well-formed XML", err)
		}
	}
}

// text returns the text of a TX or MD block at an address, empty for none.
func (c *checker) text(at int64) string {
	b := c.blocks[at]
	if b == nil || b.kind != "TX" && b.kind != "MD" {
		return ""
	}
	text, _, _ := strings.Cut(string(b.data), "\x00")
	return text
}

// elements reads XML and returns the paths of its elements with their text.
func elements(text string) (map[string]string, error) {
	found := map[string]string{}
	d := xml.NewDecoder(strings.NewReader(text))
	var path []string
	roots := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if roots != 1 {
				return nil, fmt.Errorf("%d root elements", roots)
			}
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == 0 {
				roots++
			}
			path = append(path, t.Name.Local)
			found[strings.Join(path, "/")] += ""
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			found[strings.Join(path, "/")] += strings.TrimSpace(string(t))
		}
	}
}

// needs checks that an XML comment has the elements.
func (c *checker) needs(at int64, paths ...string) {
	found, err := elements(c.text(at))
	if err != nil {
		return // named by texts
	}
	for _, path := range paths {
		_, ok := found[path]
		c.expect(ok, "comment", at, "element "+path, "none")
	}
}
