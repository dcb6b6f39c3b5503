package mdfcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rules reads the names of all rules from the source.
func rules(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	argument := map[string]int{"problem": 0, "expect": 1, "read": 0}
	found := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			i, ok := argument[fun.Sel.Name]
			if !ok || i >= len(call.Args) {
				return true
			}
			if name, ok := call.Args[i].(*ast.BasicLit); ok && name.Kind == token.STRING {
				s, _ := strconv.Unquote(name.Value) // a literal of the parser's
				found[s] = true
			}
			return true
		})
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
