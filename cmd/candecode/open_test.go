package main

import (
	"fmt"
	"testing"

	"canseal/decode/folder"
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
