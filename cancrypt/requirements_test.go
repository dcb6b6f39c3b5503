package cancrypt

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The manual names a test for each requirement of cancrypt.md 3, and the page of
// threats one for each weakness: they must be there.
func TestEveryTestThatIsNamedIsThere(t *testing.T) {
	var source strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "../logger/*_test.go", "../cmd/*/*_test.go", "../cmd/internal/*/*_test.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	threats, err := os.ReadFile("../docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`)
	section := string(threats)
	if i := strings.Index(section, "## CANcrypt"); i >= 0 {
		section = section[i:]
		if end := strings.Index(section[3:], "\n## "); end >= 0 {
			section = section[:end+3]
		}
	} else {
		t.Error("docs/threats.md has no section CANcrypt")
	}
	for _, name := range named.FindAllString(string(manual)+section, -1) {
		if !strings.Contains(source.String(), "func "+name+"(") {
			t.Errorf("%s is named, and not there", name)
		}
	}
	var rows []int
	for _, m := range regexp.MustCompile(`(?m)^//\tR(\d+) `).FindAllStringSubmatch(string(manual), -1) {
		n, _ := strconv.Atoi(m[1])
		rows = append(rows, n)
	}
	for n := 1; n <= 20; n++ {
		if !slices.Contains(rows, n) {
			t.Errorf("R%d has no row in the manual", n)
		}
	}
}
