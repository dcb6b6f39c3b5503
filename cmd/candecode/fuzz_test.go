package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canseal/internal/cost"
)

// FuzzRun lets a DBC file and a candump log be anything, and makes each output
// of them. Nothing may be written but below the folder, and what it costs is
// bounded by the lines of both: each may be a message, a file, a chart.
func FuzzRun(f *testing.F) {
	f.Add([]byte(evil), []byte(mixed), uint8(0))
	f.Add([]byte("BO_ 272 ../M: 8 X\n SG_ =S : 0|8@1- (0.5,0) [0|0] \"%\" X\nVAL_ 272 =S 1 \"<b>\" ;\n"), []byte(mixed), uint8(3))
	f.Add([]byte("BO_ 2028 Long: 62 A\n SG_ S : 400|64@1- (1,0) [0|0] \"\" A\n"), []byte("(1.0) can0 7EC#1008414243444546\n(1.1) can0 7EC#214748\n"), uint8(2))
	f.Fuzz(func(t *testing.T, dbc, log []byte, choice uint8) {
		if len(dbc) > 4096 || len(log) > 4096 || strings.Contains(string(log), "MDF") || strings.Contains(string(log), "Generic") {
			t.Skip() // package buslog has its own
		}
		outer := t.TempDir()
		dir := filepath.Join(outer, "inner")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "x.dbc"), dbc)
		write(t, filepath.Join(dir, "x.log"), log)
		out := filepath.Join(dir, "out")
		args := []string{"-q", "--dbc", filepath.Join(dir, "x.dbc"), filepath.Join(dir, "x.log")}
		formats := []string{"csv", "parquet", "arrow", "candump", "asc", "raw-csv", "plot"}
		if format := formats[int(choice)%len(formats)]; format == "plot" {
			args = append(args, "--plot", out)
		} else {
			args = append(args, "--format", format, "-o", out)
		}
		lines := int64(2 + strings.Count(string(dbc), "\n") + strings.Count(string(log), "\n"))
		cost.Hold(t, 24<<20+lines*512<<10, func() {
			if code := run(args, strings.NewReader(""), os.Stdout, os.Stderr); code != exitOK && code != exitDamaged {
				t.Errorf("%v: exit code %d", args, code)
			}
		})
		if size := written(t, outer, dir); size > 1<<20+lines*64<<10 {
			t.Errorf("%d bytes were written for %d lines", size, lines)
		}
	})
}

// written adds up the files below a folder; there is nothing else in the outer one.
func written(t *testing.T, outer, dir string) (size int64) {
	t.Helper()
	if all, err := os.ReadDir(outer); err != nil || len(all) != 1 {
		t.Errorf("%v, %v beside the folder", all, err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return size
}
