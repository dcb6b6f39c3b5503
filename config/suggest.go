package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"
)

func hasKey(t reflect.Type, key string) bool { return slices.Contains(keysOf(t), key) }

func keysOf(t reflect.Type) []string {
	var keys []string
	for _, r := range rows(t) {
		keys = append(keys, r.key)
	}
	return keys
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// unknown notes a key that is not in the table, and what may have been meant:
// a key that is written nearly so, or the same key of another section.
func (w *walk) unknown(key *yaml.Node, t reflect.Type, path string) {
	at := join(path, key.Value)
	if !keyForm.MatchString(key.Value) {
		at = join(path, quote(key.Value))
	}
	want, hint := "one of "+strings.Join(keysOf(t), ", "), ""
	if near := nearestKey(key.Value, keysOf(t)); near != "" {
		want, hint = near, "a slip of the pen?"
		w.silence(join(path, near))
	} else if elsewhere := homesOf(key.Value); len(elsewhere) > 0 {
		hint = "there is " + strings.Join(elsewhere, " and ")
	}
	w.problem(key, at, "an unknown key", want, hint)
}

// homesOf are the paths of all settings with that key.
func homesOf(key string) []string {
	found := homes()[key]
	if len(found) > 2 {
		return append(found[:2:2], fmt.Sprintf("%d more", len(found)-2))
	}
	return found
}

var homes = sync.OnceValue(func() map[string][]string {
	paths := map[string][]string{}
	for _, f := range list(rows(reflect.TypeFor[Config]()), "", nil) {
		key := f.Path[strings.LastIndex(f.Path, ".")+1:]
		paths[key] = append(paths[key], f.Path)
	}
	return paths
})

// nearestKey is the key that differs least from a word, when that is little:
// two letters, or one in short words.
func nearestKey(word string, keys []string) string {
	word = plainKey(word)
	best, least := "", min(3, 1+len(word)/3)
	for _, key := range keys {
		if d := distance(word, plainKey(key)); d < least {
			best, least = key, d
		}
	}
	return best
}

// plainKey is a key without what people write differently.
func plainKey(key string) string {
	if len(key) > 40 {
		return ""
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(key), "-", ""), "_", "")
}

// distance is the number of letters to insert, remove or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
