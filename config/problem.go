package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	Path   string `json:"path"`           // such as buses[0].check.bitrate; "" for the file as a whole
	Line   int    `json:"line"`           // from 1; 0 where there is no place
	Column int    `json:"column"`         // in characters, from 1
	Got    string `json:"got"`            // what was found, never a secret; "" where something is missing
	Want   string `json:"want"`           // what is wanted there
	Hint   string `json:"hint,omitempty"` // what to do
}

// In is the problem as a line about the file of that name:
//
//	config.yaml:12:5: log.split_size: found "2GB", wanted a size from 1MB to 512MB
func (p Problem) In(file string) string {
	var b strings.Builder
	b.WriteString(file)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.what())
	return b.String()
}

// Error is the problem with its place, without the name of a file.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.what()
	}
	return fmt.Sprintf("line %d: %s", p.Line, p.what())
}

func (p Problem) what() string {
	text := "missing"
	if p.Got != "" {
		text = "found " + p.Got
	}
	if p.Want != "" {
		text += ", wanted " + p.Want
	}
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}
