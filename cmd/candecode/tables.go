package main

import (
	"fmt"
	"io"

	"canseal/decode"
	"canseal/decode/folder"
	"canseal/decode/input"
	"canseal/decode/parquet"
	"canseal/decode/table"
	"canseal/decode/text"
	"canseal/mdf/buslog"
)

// tables is the sink of tables: a file for each message and day of a session,
// or by choice for each message and segment, or message alone.
type tables struct {
	*settings
	sum    *summary
	folder *folder.Folder
	plans  planner

	session  *input.Session
	plans1   *plans
	decoder  *decode.Decoder
	clock    input.Clock       // of all rows that are held
	part     int64             // of the latest item
	starts   []start           // of the segments
	marks    map[string]string // of files without a session, by name
	messages map[messageKey]*table.Message
	sides    *table.Sides
	files    openFiles
	writing  *beside // of rows: files are written there, until it has done all its work
	chunks   int     // of the columns of open files
	most     int     // of chunks
	packed   int     // bytes that are packed at most
	packedOf int     // and of one file
	open     int     // files
	done     *done   // what will be noted of the session; nil: nothing
	old      *done   // what was
	memory   parquet.Memory
	arrow    parquet.ArrowMemory
	csv      text.Memory
}

// start is the first time of a segment.
type start struct {
	time    int64
	segment *input.Segment
}

type messageKey struct {
	message *decode.Message
	bus     uint8
}

// rowsHeld is how many rows of a message are decoded at a time: those of a row
// group in Parquet, of a record batch in Arrow.
var rowsHeld = map[string]int{"csv": 4096, "parquet": 32768, "arrow": 8192}

// Bounds of the rows of all messages that wait to be written, in bytes: less
// where the messages themselves take memory.
const (
	mostRows    = 64 << 20
	mostRowsOf  = 1000 // messages; beyond
	mostRowsFew = 40 << 20
)

// rowMemory is the bound for the DBC files of this run.
func (s *settings) rowMemory() int {
	messages := 0
	for _, r := range s.rules {
		messages += len(r.File.Messages)
	}
	if messages > mostRowsOf {
		return mostRowsFew
	}
	return mostRows
}

// mostChunks bounds what is kept of files until they end: about a kilobyte for
// each column of an open Parquet file, and for each in a row group. Then all is
// packed. The other formats keep next to nothing: no bound.
var mostChunks = map[string]int{"parquet": 1 << 14}

// Bounds of what is packed, in bytes: of all files together, and of one, which
// unpacks it to end, into some twenty times as much. Then all files end, or that
// one, and further rows go into new ones.
const (
	mostPacked   = 32 << 20
	mostPackedOf = 2 << 20
)

// mostOpen bounds the files that are being made. Then all end.
const mostOpen = 1 << 14

// packer is a file that keeps facts until it ends.
type packer interface {
	Pack() error
	Packed() int
}

func newTables(s *settings, sum *summary) (*tables, error) {
	out, err := folder.Open(s.output)
	if err != nil {
		return nil, err
	}
	return &tables{settings: s, sum: sum, folder: out, plans: newPlanner(s), most: mostChunks[s.format], packed: mostPacked,
		packedOf: mostPackedOf, writing: newBeside(), marks: map[string]string{}}, nil
}

func (t *tables) begin(session *input.Session) (skip bool, err error) {
	t.done, t.old = nil, nil
	if d, ok := t.newDone(session); ok {
		if t.done, t.old = d, t.before(d); t.finished(d, t.old) {
			for _, o := range t.old.Outputs {
				t.folder.Keep(o.Name)
			}
			t.sum.Finished++
			return true, nil
		}
		if t.old != nil {
			if err := t.folder.Remove(d.note()); err != nil {
				return false, err
			}
		}
	}
	return false, t.start(session)
}

// start makes ready for the items of a session.
func (t *tables) start(session *input.Session) (err error) {
	t.session, t.starts, t.part = session, nil, 0
	t.messages, t.files = map[messageKey]*table.Message{}, openFiles{}
	t.sides = table.NewSides()
	if t.plans1, err = t.plans.of(session.Device); err != nil {
		return err
	}
	t.decoder = decode.New(decode.Options{
		Plan: t.plans1.wanted, Rows: rowsHeld[t.format], Memory: t.rowMemory(), Batch: t.batch, Ahead: ahead + 2,
		Transport: decode.TransportOptions{Off: t.noTransport, ISOTP: t.isotpIDs},
	})
	return nil
}

// item decodes a frame, or notes a record about frames.
func (t *tables) item(it *input.Item) error {
	if len(t.starts) == 0 || t.starts[len(t.starts)-1].segment != it.Segment {
		t.starts = append(t.starts, start{it.Time, it.Segment})
	}
	if err := t.advance(it); err != nil {
		return err
	}
	switch it.Type {
	case buslog.Frame:
		return t.frame(it)
	case buslog.Side:
		return t.whenFull(t.sides.Record(it.Side, it.Clock.String()))
	case buslog.Raw:
		return t.whenFull(t.sides.Raw(it.Time, it.Group, it.Data, it.Clock.String()))
	}
	return nil
}

// advance hands over all rows where the clock of the items changes, or a later
// part of the session begins that has files of its own. Times that go to and fro
// about midnight would make a row group each: those that go back wait with the
// others.
func (t *tables) advance(it *input.Item) error {
	part := t.partOf(it.Time, it.Clock)
	if it.Clock == t.clock && part <= t.part {
		return nil
	}
	if err := t.handOver(); err != nil {
		return err
	}
	t.clock, t.part = it.Clock, part
	return t.closeFiles(part - 1)
}

func (t *tables) handOver() error {
	if err := t.decoder.HandOver(); err != nil {
		return err
	}
	for _, s := range t.sides.All() {
		if err := t.writeSide(s); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) frame(it *input.Item) error {
	f := frameOf(it)
	fate, err := t.decoder.Add(&f)
	if err != nil || fate == decode.Decoded || fate == decode.Part {
		return err
	}
	if t.plans1.notWanted(&f) {
		t.sum.NotWanted++
		return nil
	}
	t.sum.unknown(it)
	return t.whenFull(t.sides.Frame(&it.Event, it.Encrypted, it.Clock.String()))
}

// whenFull writes a side table, if there is one, and it is time to.
func (t *tables) whenFull(s *table.Side) error {
	if s == nil || !s.Full() {
		return nil
	}
	return t.writeSide(s)
}

func (t *tables) writeSide(s *table.Side) error {
	rows, times := s.Take()
	return t.write(s.Schema(), 0, times, func() table.Rows { return rows })
}

// batch writes decoded rows.
func (t *tables) batch(b *decode.Batch) error {
	key := messageKey{b.Message, b.Bus}
	m := t.messages[key]
	if m == nil {
		m = table.NewMessage(b.Message, b.Bus, table.Choice{Raw: t.raw, Texts: t.enumText, Signals: t.signals})
		t.messages[key] = m
	}
	if m.Signals() == 0 && len(t.signals) > 0 {
		t.sum.NotWanted += uint64(b.Len())
		b.Release()
		return nil
	}
	b.Sort()
	t.sum.rows(b)
	clock := t.clock.String()
	if err := t.write(m.Schema(), b.Bus, b.Time, func() table.Rows { return m.Rows(b, clock) }); err != nil {
		return err
	}
	return t.writing.do(func() error {
		b.Release()
		return nil
	})
}

// write writes rows into the files of their parts. Rows are made beside.
func (t *tables) write(s *table.Schema, bus uint8, times []int64, rows func() table.Rows) error {
	for begin := 0; begin < len(times); {
		part, end := t.partOf(times[begin], t.clock), begin+1
		for end < len(times) && t.partOf(times[end], t.clock) == part {
			end++
		}
		f, err := t.file(s, bus, part, times[begin])
		if err != nil {
			return err
		}
		from := begin
		err = t.writing.do(func() error {
			if err := f.Write(rows().Slice(from, end)); err != nil {
				return fmt.Errorf("write %s: %w", f.file.Name, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := t.account(f, len(s.Columns)); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// account notes that a file keeps so many chunks more.
func (t *tables) account(f *outFile, chunks int) error {
	if f.chunks == 0 {
		chunks *= 2 // for its columns
	}
	f.chunks += chunks
	if t.chunks += chunks; t.most == 0 || t.chunks <= t.most {
		return nil
	}
	return t.pack()
}

// pack makes what open files keep small.
func (t *tables) pack() error {
	if err := t.writing.wait(); err != nil {
		return err
	}
	packed := 0
	for _, part := range t.files {
		for _, f := range part.files {
			p, is := f.Writer.(packer)
			if !is {
				continue
			}
			if err := p.Pack(); err != nil {
				return fmt.Errorf("write %s: %w", f.file.Name, err)
			}
			f.packed, f.chunks = p.Packed(), 0
			packed += f.packed
		}
	}
	if t.chunks = 0; packed > t.packed {
		return t.closeFiles(1 << 62)
	}
	return t.finish(t.files.heavy(t.packedOf))
}

func (t *tables) file(s *table.Schema, bus uint8, part, first int64) (*outFile, error) {
	if f := t.files.of(part)[s]; f != nil {
		return f, nil
	}
	if t.open == mostOpen { // days that go back, or come at random
		if err := t.closeFiles(1 << 62); err != nil {
			return nil, err
		}
	}
	file, err := t.folder.Create(t.place(s.Name, bus, part) + "/" + t.stem(first) + "." + t.format)
	if err != nil {
		return nil, err
	}
	w, err := t.writer(file, s)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", file.Name, err)
	}
	t.open++
	f := &outFile{file: file, Writer: w}
	t.files.of(part)[s] = f
	return f, nil
}

func (t *tables) writer(w io.Writer, s *table.Schema) (table.Writer, error) {
	switch t.format {
	case "parquet":
		if t.timestamps == "ns" {
			turned, rows := table.InNanos(s)
			inner, err := parquet.NewWriter(w, turned, &t.memory)
			return nanos{inner, rows}, err
		}
		return parquet.NewWriter(w, s, &t.memory)
	case "arrow":
		return parquet.NewArrow(w, s, &t.arrow)
	}
	return text.NewCSV(w, s, &t.csv), nil
}

// nanos writes tables whose times have nanoseconds.
type nanos struct {
	*parquet.Writer
	turned func(table.Rows) table.Rows
}

func (n nanos) Write(rows table.Rows) error { return n.Writer.Write(n.turned(rows)) }

// closeFiles finishes the files of parts before first.
func (t *tables) closeFiles(first int64) error {
	ended := t.files.before(first)
	if len(ended) == 0 {
		return nil
	}
	if err := t.writing.wait(); err != nil {
		return err
	}
	return t.finish(ended)
}

// finish finishes files that nothing is being written to.
func (t *tables) finish(ended []*outFile) error {
	for _, f := range ended {
		t.chunks -= f.chunks
		t.open--
		err := f.Writer.Close()
		if err == nil {
			err = f.file.Close()
		}
		if err != nil {
			return fmt.Errorf("finish %s: %w", f.file.Name, err)
		}
		t.sum.file(f.file.Size())
		if t.done != nil {
			t.done.Outputs = append(t.done.Outputs, doneFile{Name: f.file.Name, Size: f.file.Size()})
		}
	}
	return nil
}

func (t *tables) end() error {
	if err := t.decoder.Flush(); err != nil {
		return err
	}
	if err := t.handOver(); err != nil {
		return err
	}
	t.sum.decoded(t.decoder.Stats())
	if err := t.closeFiles(1 << 62); err != nil {
		return err
	}
	return t.note()
}

func (t *tables) close(error) error {
	t.writing.close()
	t.writing.wait() // an error of it was told, or something else came first
	return t.folder.Close()
}
