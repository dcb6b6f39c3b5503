package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"canseal/decode/folder"
	"canseal/decode/input"
	"canseal/decode/table"
)

func TestFilesOfADayThatGoesOnAreNotLookedAt(t *testing.T) {
	run := &tables{settings: &settings{}, sum: &summary{}}
	for i := range 1000 {
		run.files.of(7)[&table.Schema{}] = &outFile{file: &folder.File{Name: fmt.Sprint(i)}}
	}
	n := testing.AllocsPerRun(10, func() {
		if err := run.closeFiles(7); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%.0f allocations to close no file", n)
	}
	if n := len(run.files.before(8)); n != 1000 {
		t.Errorf("%d files are open", n)
	}
}

func TestFilesEndInOrder(t *testing.T) {
	var o openFiles
	for part, name := range map[int64]string{3: "c", 1: "b", unknownDay: "d", 2: "a", 4: "e"} {
		o.of(part)[&table.Schema{}] = &outFile{file: &folder.File{Name: name}}
	}
	got := ""
	for _, first := range []int64{2, 4, 1 << 62} {
		for _, f := range o.before(first) {
			got += f.file.Name
		}
		got += " "
	}
	if got != "bd ac e " {
		t.Error(got)
	}
}

func TestWhatOpenFilesKeepIsBounded(t *testing.T) {
	run, err := newTables(&settings{flags: &flags{output: t.TempDir(), format: "parquet", per: "session"}}, &summary{})
	if err != nil {
		t.Fatal(err)
	}
	if run.most == 0 {
		t.Error("Parquet has no bound")
	}
	run.session, run.most, run.packed = &input.Session{}, 10, 10_000
	run.starts = []start{{0, &input.Segment{Session: 1, Split: 1}}}
	row := table.Rows{N: 1, Fill: func(_ int, v *table.Values) { v.Ints = []int64{1} }}
	for i := range 50 {
		s := &table.Schema{Name: fmt.Sprint("M", i%5), Columns: []table.Column{{Name: "t", Type: table.Time}, {Name: "n", Type: table.Int}}}
		if err := run.write(s, 1, []int64{1}, func() table.Rows { return row }); err != nil {
			t.Fatal(err)
		}
		if run.chunks > run.most {
			t.Errorf("open files keep facts about %d chunks, and may about %d", run.chunks, run.most)
		}
		if kept := packedBytes(run.files); kept > run.packed {
			t.Errorf("open files keep %d bytes, and may %d", kept, run.packed)
		}
	}
	if n := len(run.files.of(0)); n > 20 {
		t.Errorf("%d files are open", n)
	}
	if err := run.close(nil); err != nil {
		t.Error(err)
	}
}

func TestAFileThatKeepsMuchEndsAlone(t *testing.T) {
	run, err := newTables(&settings{flags: &flags{output: t.TempDir(), format: "parquet", per: "session"}}, &summary{})
	if err != nil {
		t.Fatal(err)
	}
	run.session, run.most, run.packedOf = &input.Session{}, 10, 2000
	run.starts = []start{{0, &input.Segment{Session: 1, Split: 1}}}
	row := table.Rows{N: 1, Fill: func(_ int, v *table.Values) { v.Ints = []int64{1} }}
	often := &table.Schema{Name: "Often", Columns: []table.Column{{Name: "n", Type: table.Int}}}
	once := &table.Schema{Name: "Once", Columns: []table.Column{{Name: "n", Type: table.Int}}}
	for i := range 200 {
		s := often
		if i == 0 {
			s = once
		}
		if err := run.write(s, 1, []int64{1}, func() table.Rows { return row }); err != nil {
			t.Fatal(err)
		}
		if kept := packedBytes(run.files); kept > 2*run.packedOf {
			t.Fatalf("open files keep %d bytes, and one may keep %d", kept, run.packedOf)
		}
	}
	if run.files.of(0)[once] == nil || run.sum.Outputs < 2 {
		t.Errorf("%d files have ended, and that of one row is among them: %v", run.sum.Outputs, run.files.of(0)[once] == nil)
	}
	if err := run.close(nil); err != nil {
		t.Error(err)
	}
}

func TestTimesToAndFroAboutMidnightAreNotARowGroupEach(t *testing.T) {
	dir, lines := t.TempDir(), []byte{}
	for i := range 2000 {
		lines = fmt.Appendf(lines, "(%d.%06d) can0 100#%02X\n", 1732060800-i%2, i, i%256)
	}
	write(t, filepath.Join(dir, "a.dbc"), []byte("BO_ 256 M: 1 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n"))
	write(t, filepath.Join(dir, "a.log"), lines)
	candecode(t, "-q", "--dbc", filepath.Join(dir, "a.dbc"), "-o", filepath.Join(dir, "out"), filepath.Join(dir, "a.log"))
	files, err := filepath.Glob(filepath.Join(dir, "out/*/message=M/*/*.parquet"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files %q, wanted those of two days (%v)", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() > 64<<10 {
			t.Errorf("%s: %v, wanted a few row groups for 1,000 rows (%v)", name, info.Size(), err)
		}
	}
}

func packedBytes(o openFiles) (n int) {
	for _, part := range o {
		for _, f := range part.files {
			n += f.Writer.(packer).Packed()
		}
	}
	return n
}

func TestDaysThatGoBackDoNotKeepFilesOpen(t *testing.T) {
	run, err := newTables(&settings{flags: &flags{output: t.TempDir(), format: "csv", per: "day", layout: "canedge"}}, &summary{})
	if err != nil {
		t.Fatal(err)
	}
	run.session, run.open = &input.Session{}, mostOpen-10
	run.starts = []start{{0, &input.Segment{Session: 1, Split: 1}}}
	s := &table.Schema{Name: "M", Columns: []table.Column{{Name: "t", Type: table.Time}}}
	row := table.Rows{N: 1, Fill: func(_ int, v *table.Values) { v.Ints = []int64{1} }}
	for day := range int64(25) {
		if err := run.write(s, 1, []int64{(20_000 - day) * nanosPerDay}, func() table.Rows { return row }); err != nil {
			t.Fatal(err)
		}
		if n := len(run.files); n > 10 {
			t.Errorf("files of %d days are open", n)
		}
		if len(run.files) == 1 && day > 0 {
			run.open = mostOpen - 9
		}
	}
	if run.sum.Outputs != 20 {
		t.Errorf("%d files have ended", run.sum.Outputs)
	}
	run.close(nil)
}
