package config

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed reference.yaml
var reference string

// Reference is a configuration to start from, as canseal config init writes
// it: every setting with its default and a comment, and examples commented
// out.
func Reference() []byte { return []byte(reference) }

// exampleSign stands in indented lines that are examples.
var exampleSign = regexp.MustCompile(`(?m)^( +)#`)

// example is the reference with its examples in force.
func example() []byte { return exampleSign.ReplaceAll(Reference(), []byte("$1")) }

// docs are the comments of the reference by field path, without the marks of
// scope.
func docs() map[string]string {
	var root yaml.Node
	if err := yaml.Unmarshal(example(), &root); err != nil {
		panic(fmt.Sprintf("reference.yaml: %v", err))
	}
	out := map[string]string{}
	comments(root.Content[0], "", out)
	for path, text := range maps.Clone(out) {
		if strings.HasPrefix(path, "cancrypt.") { // a bus may name it too
			out["buses[]."+path] = text
		}
	}
	return out
}

// mark is the mark of scope in a comment.
var mark = regexp.MustCompile(`^# ?(required)?[:;,]? ?|[;,]? ?\[[LSA]\]( to [a-z]+)?[;,]? ?`)

// comments collects the comments of the keys below a node.
func comments(n *yaml.Node, path string, out map[string]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := join(path, key.Value)
			if text := key.LineComment + value.LineComment; text != "" && out[at] == "" {
				out[at] = tidy(text)
			}
			comments(value, at, out)
		}
	case yaml.SequenceNode:
		for _, entry := range n.Content {
			comments(entry, path+"[]", out)
		}
	}
}

// tidy is a comment as text.
func tidy(comment string) string {
	return strings.TrimSpace(mark.ReplaceAllString(comment, ""))
}
