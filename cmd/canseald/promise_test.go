package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// What a card holds is judged here without package mdf: a second reading of
// docs/formats.md C1, C2 and C4, so that one misunderstanding of the format
// cannot write and approve the same file. It takes what a power cut left, before
// any repair, and what the repair made of it.

// promises are the frames that were durable for sure, by segment.
type promises map[segmentName]int

type segmentName struct{ session, split int }

var promiseLine = regexp.MustCompile(`(?m)^PROMISE (\d+) (\d+) (\d+)\r?$`)

// note takes the promises of a console. A line that the cut tore has a smaller
// number, or is none.
func (p promises) note(console string) {
	for _, m := range promiseLine.FindAllStringSubmatch(console, -1) {
		n := segmentName{atoi(m[1]), atoi(m[2])}
		p[n] = max(p[n], atoi(m[3]))
	}
}

func (p promises) frames() (n int) {
	for _, frames := range p {
		n += frames
	}
	return n
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // digits, by the expressions here
	return n
}

// broken lists what a device's folder of the card does not hold as promised.
// Frames carry numbers that count from 0 in each session.
func (p promises) broken(folder string) (bad []string) {
	found, err := walkCard(folder)
	if err != nil {
		return []string{err.Error()}
	}
	for n, frames := range p {
		if got := found[n]; len(got.numbers) < frames {
			bad = append(bad, fmt.Sprintf("segment %d/%d: %d frames were promised, %d are there", n.session, n.split, frames, len(got.numbers)))
		}
	}
	next := map[int]int{}
	for _, n := range sortedNames(found) {
		for _, number := range found[n].numbers {
			if number != next[n.session] {
				bad = append(bad, fmt.Sprintf("segment %d/%d: frame %d where %d belongs", n.session, n.split, number, next[n.session]))
				break
			}
			next[n.session]++
		}
		if found[n].counted > 0 {
			bad = append(bad, fmt.Sprintf("segment %d/%d: %d frames are counted as lost", n.session, n.split, found[n].counted))
		}
	}
	slices.Sort(bad)
	return bad
}

func sortedNames(found map[segmentName]walked) (names []segmentName) {
	for n := range found {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b segmentName) int {
		if a.session != b.session {
			return a.session - b.session
		}
		return a.split - b.split
	})
	return names
}

// walked is what right marks cover in a file.
type walked struct {
	numbers []int // of the frames, in the order of the file
	counted int   // frames that gaps count as lost
	cuts    int   // gaps of a repair, marked or not
}

var segmentFile = regexp.MustCompile(`^(\d{8})\.MF4(\.part|\.raw|\.tmp)?$`)

// walkCard reads all segments below a device's folder, once more when one of them
// got another name meanwhile. No folder holds nothing.
func walkCard(folder string) (found map[segmentName]walked, err error) {
	for range 100 {
		found, err = walkFiles(folder)
		if !errors.Is(err, fs.ErrNotExist) || !fileExists(folder) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) && !fileExists(folder) {
		err = nil
	}
	return found, err
}

// walkFiles reads all segments. A rename on FAT that was cut leaves two names, one
// of which may be empty: the longer content counts.
func walkFiles(folder string) (map[segmentName]walked, error) {
	found := map[segmentName]walked{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		m := segmentFile.FindStringSubmatch(filepath.Base(path))
		if err != nil || m == nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := segmentName{atoi(filepath.Base(filepath.Dir(path))), atoi(m[1])}
		w := walk(content)
		if before, twice := found[n]; !twice || len(w.numbers) > len(before.numbers) {
			found[n] = w
		}
		return nil
	})
	return found, err
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// recordSizes are the bytes of a record behind its id, by id (C1, C2).
var recordSizes = [15]int{1: 24, 32, 48, 80, 16, 24, 40, 32, 32, 24, 24, 16, 80, 24}

const (
	lastFrameID = 6
	gapID       = 7
	markID      = 14
	cutReason   = 5
)

// walk reads a segment: ID at 0, HD at 64, then by links the first DG and its DT,
// or each DG of a compressed one. Only what a right mark covers counts; a file
// without a whole header holds nothing.
func walk(file []byte) (w walked) {
	if len(file) < 168 || !bytes.HasPrefix(file, []byte("MDF     ")) && !bytes.HasPrefix(file, []byte("UnFinMF ")) {
		return w
	}
	start := file[64+24+6*8:][:8] // behind the six links of HD
	data, ok := follow(file, 64, 0, "##DG")
	if ok && data+64 <= len(file) && file[data+24+4*8] == 0 {
		w.sorted(file, data)
		return w
	}
	if ok {
		data, ok = follow(file, data, 2, "##DT")
	}
	if !ok {
		return w
	}
	stream := file[data+24:]
	if length := int(binary.LittleEndian.Uint64(file[data+8:])); length > 24 && length-24 <= len(stream) {
		stream = stream[:length-24] // finished
	}
	w.stream(stream, start)
	return w
}

// groupNames are the record ids of the groups of a compressed file, by name.
var groupNames = map[string]int{
	"CAN_DataFrame": 1, "CAN_DataFrame_FD16": 2, "CAN_DataFrame_FD32": 3, "CAN_DataFrame_FD64": 4,
	"CAN_RemoteFrame": 5, "CAN_ErrorFrame": 6, "CANseal_Gap": gapID,
}

// sorted reads a compressed segment: DG -> CG -> name, DG -> HL -> DL -> DZ. Such
// a file was durable before it got its name, so that nothing in it is unsure.
func (w *walked) sorted(file []byte, group int) {
	for ok := true; ok; group, ok = follow(file, group, 0, "##DG") {
		channels, _ := follow(file, group, 1, "##CG")
		name, named := follow(file, channels, 2, "##TX")
		list, filled := follow(file, group, 2, "##HL")
		list, listed := follow(file, list, 0, "##DL")
		if !named || !filled || !listed {
			continue
		}
		text, _, _ := bytes.Cut(file[name+24:], []byte{0})
		for i := 1; i < int(file[list+16])+int(file[list+17])<<8; i++ {
			if block, ok := follow(file, list, i, "##DZ"); ok {
				w.packed(file, block, groupNames[string(text)])
			}
		}
	}
}

// packed reads a DZ block: zlib, then column by column.
func (w *walked) packed(file []byte, block, id int) {
	if block+48 > len(file) {
		return
	}
	width := int(binary.LittleEndian.Uint32(file[block+28:]))
	z, err := zlib.NewReader(bytes.NewReader(file[block+48:]))
	if err != nil || id == 0 || width != recordSizes[id] {
		return
	}
	columns, err := io.ReadAll(z)
	if err != nil {
		return
	}
	rows := len(columns) / width
	record := make([]byte, width)
	for row := range rows {
		for at := range record {
			record[at] = columns[at*rows+row]
		}
		w.record(id, record)
	}
}

// follow reads a link of the block at pos and the id of the block it names.
func follow(file []byte, pos, link int, id string) (to int, ok bool) {
	at := pos + 24 + 8*link
	if at+8 > len(file) {
		return 0, false
	}
	to = int(binary.LittleEndian.Uint64(file[at:]))
	return to, to > 0 && to+24 <= len(file) && string(file[to:to+4]) == id
}

func (w *walked) stream(b, start []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	sure, unsure := *w, *w
	from := 0
	for pos := 0; pos < len(b); {
		id := int(b[pos])
		if id == 0 || id >= len(recordSizes) || pos+1+recordSizes[id] > len(b) {
			break
		}
		record := b[pos+1:][:recordSizes[id]]
		if id == markID {
			sum := crc32.Update(crc32.Checksum(start, table), table, b[from:pos+1+16])
			if binary.LittleEndian.Uint64(record[8:]) != uint64(pos) || binary.LittleEndian.Uint32(record[16:]) != sum {
				break
			}
			sure, from = unsure, pos+1+len(record)
		}
		unsure.record(id, record)
		pos += 1 + len(record)
	}
	sure.cuts = unsure.cuts // no mark follows the gap of a repair
	*w = sure
}

func (w *walked) record(id int, record []byte) {
	switch {
	case id <= lastFrameID && len(record) >= 20:
		w.numbers = append(w.numbers, int(binary.LittleEndian.Uint32(record[16:])))
	case id == gapID && record[33] == cutReason:
		w.cuts++
	case id == gapID:
		w.counted += max(1, int(binary.LittleEndian.Uint64(record[24:])))
	}
}
