package folder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesStayInTheirPlaceWhateverTheWord(t *testing.T) {
	for word, want := range map[string]string{
		"EngineSpeed": "EngineSpeed", "a.b": "a.b", "..": "%2E%2E", "../../etc/passwd": "%2E.%2F..%2Fetc%2Fpasswd",
		"": "%", "NUL": "%4EUL", "com1.csv": "%63om1.csv", "a b=c": "a%20b%3Dc", `a\b`: "a%5Cb", "ä": "%C3%A4",
		"x.": "x%2E", "\x00": "%00", "100%": "100%25",
	} {
		if got := Name(word); got != want {
			t.Errorf("Name(%q) = %q, wanted %q", word, got, want)
		}
	}
	long := Name(strings.Repeat("m", 300))
	if len(long) != longest+9 || long == Name(strings.Repeat("m", 301)) {
		t.Errorf("%d bytes: %s", len(long), long)
	}
}

func FuzzName(f *testing.F) {
	f.Add("EngineSpeed")
	f.Add("../x")
	f.Fuzz(func(t *testing.T, word string) {
		name := Name(word)
		if name == "" || len(name) > longest+9 || !filepath.IsLocal(name) || strings.ContainsAny(name, "/\\:=*?\"<>| \x00") {
			t.Errorf("Name(%q) = %q", word, name)
		}
	})
}

func TestAFileBearsItsNameOnceItIsWhole(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	file := create(t, f, "a/b.csv")
	write(t, file, "one")
	if _, err := os.Stat(filepath.Join(dir, "a", "b.csv")); err == nil {
		t.Error("a file that is not whole has its name")
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "a/b.csv"); got != "one" {
		t.Errorf("%q", got)
	}
	create(t, f, "c.csv")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "c.csv*")); len(left) != 0 {
		t.Errorf("left of a file that was not finished: %v", left)
	}
}

func TestNamesThatDifferInCaseAreTwoFiles(t *testing.T) {
	f := open(t, t.TempDir())
	defer f.Close()
	if a, b := create(t, f, "x/A.csv").Name, create(t, f, "x/a.csv").Name; a != "x/A.csv" || b != "x/a-2.csv" {
		t.Error(a, b)
	}
}

func TestFilesOfOneNameTakeNoMoreWorkEach(t *testing.T) {
	f := open(t, t.TempDir())
	defer f.Close()
	for range 2000 {
		f.free("x/A.csv")
	}
	if n := testing.AllocsPerRun(100, func() { f.free("x/a.csv") }); n > 12 {
		t.Errorf("%.0f allocations for one name more", n)
	}
	if got := f.free("x/A.csv"); got != "x/A-2102.csv" {
		t.Error(got)
	}
}

func TestManyFilesAreWrittenInTurn(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	defer f.Close()
	var files []*File
	for i := range 3 * mostOpen {
		files = append(files, create(t, f, Name(string(rune('a'+i%26))+strings.Repeat("x", i))))
	}
	for range 2 {
		for _, file := range files {
			write(t, file, "ab")
		}
	}
	if len(f.open) > mostOpen {
		t.Errorf("%d files are open", len(f.open))
	}
	for _, file := range files {
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, dir, file.Name); got != "abab" {
			t.Errorf("%s: %q", file.Name, got)
		}
	}
}

func TestALinkDoesNotLeadOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	f := open(t, dir)
	defer f.Close()
	if file, err := f.Create("link/x.csv"); err == nil {
		t.Errorf("made %s", file.Name)
	}
}

func open(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func create(t *testing.T, f *Folder, name string) *File {
	t.Helper()
	file, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
