package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/decode/input"
	"canseal/mdf"
)

const traces = "../../testdata/cancrypt/traces/"

// expectedCodes are the verdicts that a public trace demands.
func expectedCodes(t *testing.T, name string) (codes []can.Verdict) {
	t.Helper()
	file, err := os.Open(traces + name + ".expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e struct {
			Type string
			Code int
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "frame" {
			codes = append(codes, can.Verdict(e.Code))
		}
	}
	return codes
}

// judged reads the frames of a file as candecode does.
func judged(t *testing.T, paths ...string) (codes []can.Verdict) {
	t.Helper()
	files, err := input.Find(paths, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := input.New(files, input.Options{})
	defer in.Close()
	for _, s := range in.Sessions {
		for it := range s.Items() {
			if it.Group == "" && it.Side == nil {
				codes = append(codes, it.Verdict)
			}
		}
	}
	return codes
}

func judgeRun(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != want {
		t.Fatalf("%v: exit %d, wanted %d\n%s%s", args, code, want, out.String(), errs.String())
	}
	return out.String()
}

func sameCodes(t *testing.T, got, want []can.Verdict) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, wanted %d", len(got), len(want))
	}
	wrong := 0
	for i := range want {
		if got[i] != want[i] {
			if wrong++; wrong < 10 {
				t.Errorf("frame %d: %v, wanted %v", i, got[i], want[i])
			}
		}
	}
}

func TestTheTracesAreJudgedFrameByFrame(t *testing.T) {
	for name, exit := range map[string]int{"clean-small": 0, "streams": 0, "attack-forge": 1, "attack-replay": 1, "attack-silent": 0} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			text := judgeRun(t, exit, "judge", traces+name+".log", "--keys", traces+name+".keys.json", "-o", out)
			if !strings.Contains(text, "authentic") {
				t.Error(text)
			}
			sameCodes(t, judged(t, filepath.Join(out, name+".log.MF4")), expectedCodes(t, name))
		})
	}
}

// card makes a session of a logger without a key: two segments, the second
// compressed, whose listed frames are not judged. It returns the key file.
func unjudgedCard(t *testing.T, name string) (root, keys string) {
	t.Helper()
	text, err := os.ReadFile(traces + name + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	o, err := traceKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	keys = filepath.Join(root, "keys.json")
	var c struct{ Keys map[string]string }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keys, fmt.Appendf(nil, `{"version":1,"keys":[{"slot":3,"key":%q}]}`, c.Keys["3"]), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(traces + name + ".log")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(file), []byte("\n"))
	folder := filepath.Join(root, "LOG", "A1B2C3D4", "00000017")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for split, part := range [][][]byte{lines[:len(lines)/2], lines[len(lines)/2:]} {
		var first can.Event
		if _, err := can.ParseCandump(part[0], &first); err != nil {
			t.Fatal(err)
		}
		h := mdf.Header{Start: first.Time, Device: "A1B2C3D4", Session: 17, Split: uint32(split + 1), Cancrypt: []mdf.Cancrypt{{
			Bus: 1, Role: "judge", Profile: "p1", Level: "L2", Key: 3, Methods: uint16(o.Methods), Members: o.Members,
			Table: o.Table.Bytes()[:8*len(o.Table.Records())], TableCRC: o.Table.CRC(),
		}}}
		raw := filepath.Join(folder, fmt.Sprintf("%08d.MF4", split+1))
		f, err := os.Create(raw)
		if err != nil {
			t.Fatal(err)
		}
		w, err := mdf.Create(target{f}, h)
		if err != nil {
			t.Fatal(err)
		}
		clock := mdf.Clock{Time: first.Time, Boot: first.Time - 1e15, Wall: first.Time, Synchronised: true}
		if err := w.Append(clock); err != nil {
			t.Fatal(err)
		}
		for _, line := range part {
			var e can.Event
			if _, err := can.ParseCandump(line, &e); err != nil {
				t.Fatal(err)
			}
			e.Bus, e.Verdict = 1, can.NotListed
			if w := cancrypt.WordOf(&e.Frame); w&^15 == o.Control || o.Table.Find(w) != nil {
				e.Verdict = can.NotJudged
			}
			if err := w.Frame(&e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(clock); err != nil {
			t.Fatal(err)
		}
		if split == 1 {
			packed, err := os.Create(raw + ".new")
			if err != nil {
				t.Fatal(err)
			}
			size, _ := target{f}.Size()
			if _, err := mdf.Compress(packed, f, size); err != nil {
				t.Fatal(err)
			}
			packed.Close()
			if err := os.Rename(raw+".new", raw); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	return root, keys
}

// The segments of a session are judged together, by what they say of their own
// judge; the copies say who judged them and what, and the originals stay.
func TestASessionWithoutAKeyIsJudgedLater(t *testing.T) {
	root, keys := unjudgedCard(t, "clean-small")
	log := filepath.Join(root, "LOG")
	before, err := os.ReadFile(filepath.Join(log, "A1B2C3D4", "00000017", "00000001.MF4"))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(root, "judged")
	var found []judgement
	text := judgeRun(t, 0, "judge", root, "--keys", keys, "-o", out, "--json")
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Device != "A1B2C3D4" || found[0].Session != 17 || len(found[0].Logs) != 2 || found[0].Buses[0].Verdicts["authentic"] == 0 || found[0].Buses[0].NoKey {
		t.Errorf("%+v", found)
	}
	sameCodes(t, judged(t, out), expectedCodes(t, "clean-small"))
	for split, sorted := range []bool{false, true} {
		name := fmt.Sprintf("A1B2C3D4/00000017/%08d.MF4", split+1)
		l := recording{path: filepath.Join(out, name)}
		if err := l.open(); err != nil {
			t.Fatal(err)
		}
		defer l.close()
		original := recording{path: filepath.Join(log, name)}
		if err := original.open(); err != nil {
			t.Fatal(err)
		}
		defer original.close()
		sum, _ := original.sum()
		if h := l.header; h.Judged != sum || h.Judge == "" || len(h.Cancrypt) != 1 || h.Cancrypt[0].Key != 3 || h.Session != 17 || l.sorted != sorted {
			t.Errorf("%s: sorted %v, %+v", name, l.sorted, h)
		}
		if _, err := l.reader.Check(); err != nil {
			t.Error(err)
		}
	}
	after, _ := os.ReadFile(filepath.Join(log, "A1B2C3D4", "00000017", "00000001.MF4"))
	if !bytes.Equal(before, after) {
		t.Error("the log was changed")
	}
	secret, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	key := secret[bytes.LastIndex(secret, []byte(`:"`))+2:][:32]
	err = filepath.WalkDir(out, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(bytes.ToLower(b), bytes.ToLower(key)) {
			t.Errorf("%s holds the key", name)
		}
		return err
	})
	if err != nil || strings.Contains(text, string(key)) {
		t.Errorf("the key is printed, or %v", err)
	}
	judgeRun(t, 1, "judge", root, "--keys", keys, "-o", out) // nothing is written over
}

// Without the first segment the start of the group is missing.
func TestALogWithoutAStartIsNotJudged(t *testing.T) {
	root, keys := unjudgedCard(t, "clean-small")
	text := judgeRun(t, 0, "judge", filepath.Join(root, "LOG/A1B2C3D4/00000017/00000002.MF4"), "--keys", keys)
	if strings.Contains(text, "authentic") || !strings.Contains(text, "not judged") {
		t.Error(text)
	}
}

func TestALogIsJudgedByAConfiguration(t *testing.T) {
	root, keys := unjudgedCard(t, "attack-forge")
	config := filepath.Join(root, "config.yaml")
	write := func(members string) {
		text := "version: 1\nbuses: [{interface: can0, cancrypt: {role: judge}}]\nupload: {mode: off}\ncancrypt:\n  allow_method0: true\n  members: [" + members + "]\n  table:\n"
		file, err := os.ReadFile(traces + "attack-forge.keys.json")
		if err != nil {
			t.Fatal(err)
		}
		o, err := traceKeys(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range o.Table.Records() {
			width, cipher := "11", "pad"
			if r.Word&cancrypt.Extended != 0 {
				width = "29"
			}
			if r.Cipher == cancrypt.AESPair {
				cipher = "aes"
			}
			text += fmt.Sprintf("    - {match: \"%s:0x%X\", producer: %d, encrypt: %d, encrypt_from: %d, cipher: %s, signature: %d}\n", width, r.Word.ID(), r.Producer, r.Count, r.First, cipher, r.Signature)
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("3, 7, 12, 14")
	text := judgeRun(t, 1, "judge", traces+"attack-forge.log", "--keys", keys, "--config", config)
	if !strings.Contains(text, "signature failure 3") {
		t.Error(text)
	}
	write("3, 7, 12, 300")
	judgeRun(t, 3, "judge", traces+"attack-forge.log", "--keys", keys, "--config", config)
}

func TestJudgeSaysWhatIsMissing(t *testing.T) {
	root, keys := unjudgedCard(t, "clean-small")
	empty := filepath.Join(root, "empty.json")
	if err := os.WriteFile(empty, []byte(`{"version":1,"keys":[{"slot":2,"key":"000102030405060708090a0b0c0d0e0f"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if text := judgeRun(t, 0, "judge", root, "--keys", empty); !strings.Contains(text, "no key for slot 3") {
		t.Error(text)
	}
	judgeRun(t, 2, "judge", root)
	judgeRun(t, 2, "judge", traces+"clean-small.log", "--keys", keys) // how are the buses judged?
	judgeRun(t, 1, "judge", filepath.Join(root, "nothing"), "--keys", keys)
	judgeRun(t, 1, "judge", root, "--keys", filepath.Join(root, "nothing"))
}

func FuzzTraceKeys(f *testing.F) {
	for _, name := range []string{"clean-small", "streams"} {
		text, err := os.ReadFile(traces + name + ".keys.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if o, err := traceKeys(text); err == nil && o != nil && o.Table == nil {
			t.Error("no table")
		}
	})
}
