package main

import (
	"cmp"
	"slices"

	"canseal/decode/folder"
	"canseal/decode/table"
)

type outFile struct {
	file *folder.File
	table.Writer
	chunks int // columns of row groups that it has, and keeps facts about
	packed int // bytes of facts that are packed
}

// openFiles are the files that are being made, in the order of their parts of
// the session: as a rule it has two, and each has a file for every table.
type openFiles []partFiles

type partFiles struct {
	part  int64
	files map[*table.Schema]*outFile // the schema stands for the table
}

// of returns the files of a part.
func (o *openFiles) of(part int64) map[*table.Schema]*outFile {
	i, found := slices.BinarySearchFunc(*o, part, func(p partFiles, part int64) int { return cmp.Compare(p.part, part) })
	if !found {
		*o = slices.Insert(*o, i, partFiles{part, map[*table.Schema]*outFile{}})
	}
	return (*o)[i].files
}

// before takes out the files of parts before first, and lists them by name, so
// that every run does the same.
func (o *openFiles) before(first int64) (done []*outFile) {
	n := 0
	for ; n < len(*o) && (*o)[n].part < first; n++ {
		for _, f := range (*o)[n].files {
			done = append(done, f)
		}
	}
	*o = slices.Delete(*o, 0, n)
	return byName(done)
}

// heavy takes out the files with more than so many bytes packed.
func (o openFiles) heavy(most int) (done []*outFile) {
	for _, part := range o {
		for table, f := range part.files {
			if f.packed > most {
				done = append(done, f)
				delete(part.files, table)
			}
		}
	}
	return byName(done)
}

func byName(files []*outFile) []*outFile {
	slices.SortFunc(files, func(a, b *outFile) int { return cmp.Compare(a.file.Name, b.file.Name) })
	return files
}
