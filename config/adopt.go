package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ErrNotAdopted: a secret cannot be taken out of a file without touching
// anything else.
var ErrNotAdopted = errors.New("wanted it by value, on one line, plain or in quotes")

// Adopt takes the secret at a path such as upload.secret_key, which stands in
// the file, out of it: the text comes back with the word stored in its place
// and nothing else changed. The secret has to be durable in the state folder
// before the text is.
func Adopt(file []byte, path string) ([]byte, error) {
	root, problem := document(file)
	if problem != nil {
		return nil, fmt.Errorf("adopt %s: %w", path, problem)
	}
	node := find(root, path)
	if node == nil || node.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("adopt %s: %w", path, ErrNotAdopted)
	}
	start, end, ok := extent(file, node)
	if !ok {
		return nil, fmt.Errorf("adopt %s: %w", path, ErrNotAdopted)
	}
	adopted := bytes.Join([][]byte{file[:start], []byte("stored"), file[end:]}, nil)
	if !onlyStored(root, adopted, path) {
		return nil, fmt.Errorf("adopt %s: %w", path, ErrNotAdopted)
	}
	return adopted, nil
}

// find is the value at a path of keys, nil where there is none.
func find(n *yaml.Node, path string) *yaml.Node {
	for key := range strings.SplitSeq(path, ".") {
		var next *yaml.Node
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content) && next == nil; i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// extent is where a value on one line begins and ends in the file.
func extent(file []byte, n *yaml.Node) (start, end int, ok bool) {
	start = offset(file, n.Line, n.Column)
	rest := string(file[start:])
	size := 0
	switch n.Style {
	case 0:
		size = len(n.Value)
		ok = strings.HasPrefix(rest, n.Value)
	case yaml.SingleQuotedStyle:
		written := "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
		size, ok = len(written), strings.HasPrefix(rest, written)
	case yaml.DoubleQuotedStyle:
		size, ok = closing(rest)
	}
	return start, start + size, ok && !strings.ContainsAny(rest[:size], "\r\n")
}

// closing is the length of a text in double quotes.
func closing(text string) (int, bool) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return 0, false
}

// offset is the place of a line and column, both from 1, the column in
// characters behind a byte order mark.
func offset(file []byte, line, column int) int {
	at := 0
	if bytes.HasPrefix(file, []byte("\ufeff")) {
		at = len("\ufeff")
	}
	for ; line > 1 && at < len(file); line-- {
		at += lineLength(file[at:])
	}
	for ; column > 1 && at < len(file); column-- {
		_, size := utf8.DecodeRune(file[at:])
		at += size
	}
	return at
}

// lineLength is the length of the first line with its end: LF, CRLF or CR.
func lineLength(text []byte) int {
	i := bytes.IndexAny(text, "\r\n")
	switch {
	case i < 0:
		return len(text)
	case text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n':
		return i + 2
	}
	return i + 1
}

// onlyStored tells whether two files say the same but for the value at a path,
// which the second has as stored.
func onlyStored(before *yaml.Node, adopted []byte, path string) bool {
	after, problem := document(adopted)
	if problem != nil {
		return false
	}
	now := find(after, path)
	if now == nil || now.Value != "stored" {
		return false
	}
	now.Value = find(before, path).Value
	return meaning(before) == meaning(after)
}

// meaning prints kinds and values of a tree, whatever their style and place.
func meaning(n *yaml.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q", n.Kind, n.Value)
	for _, below := range n.Content {
		b.WriteString("(" + meaning(below) + ")")
	}
	return b.String()
}
