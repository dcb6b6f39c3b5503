package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"canseal/internal/samples"
)

// columnFacts is what asammdf and cantools find in one signal of a log.
type columnFacts struct {
	Signal   string
	Count    int
	Min, Max float64
	Sum      float64
	First    int64 `json:"first_ns"`
	Last     int64 `json:"last_ns"`
}

type decodeFacts struct {
	DBC      string
	Messages []struct {
		Message string
		Bus     int
		ID      string
		Signals []columnFacts
	}
}

// duckdb answers queries.
func duckdb(t *testing.T, queries []string) [][]byte {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		absent(t, "peers", "node", err)
	}
	installed, err := filepath.Abs("../../.tools/duckdb")
	if err == nil {
		_, err = os.Stat(filepath.Join(installed, "node_modules"))
	}
	if err != nil {
		absent(t, "peers", "DuckDB (make peers puts it into .tools/duckdb)", err)
	}
	cmd := exec.Command(node, filepath.Join("testdata", "duckdb", "query.mjs"), installed)
	cmd.Stdin = strings.NewReader(strings.Join(queries, "\n") + "\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(out), []byte("\n"))
}

// question is one signal of one table.
type question struct {
	name  string
	query string
	want  columnFacts
}

func TestWhatDuckDBReadsIsWhatOthersDecode(t *testing.T) {
	var logs []struct {
		File              string
		Decode, Transport []decodeFacts
	}
	samples.JSON(t, "expected/logs.json", &logs)
	var all []question
	for _, log := range logs {
		for _, facts := range append(log.Decode, log.Transport...) {
			all = append(all, decoded(t, log.File, facts)...)
		}
	}
	var queries []string
	for _, q := range all {
		queries = append(queries, q.query)
	}
	answers := duckdb(t, queries)
	if len(answers) != len(all) || len(all) < 200 {
		t.Fatalf("%d answers to %d questions", len(answers), len(all))
	}
	for i, q := range all {
		q.judge(t, answers[i])
	}
}

// decoded makes the tables of a log and asks for all that is known of them.
func decoded(t *testing.T, log string, facts decodeFacts) (all []question) {
	t.Helper()
	dir := samples.Dir(t)
	file := filepath.Join(dir, filepath.FromSlash(facts.DBC))
	if !exists(file) {
		file = filepath.Join(dir, "css-api-examples", "dbc", filepath.Base(facts.DBC))
	}
	out := t.TempDir()
	candecode(t, "-q", "--dbc", file, "-o", out, filepath.Join(dir, filepath.FromSlash(log)))
	for _, m := range facts.Messages {
		id, err := strconv.ParseUint(m.ID, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Signals {
			there := fmt.Sprintf(`filter ("%s" is not null)`, s.Signal)
			all = append(all, question{
				name: fmt.Sprintf("%s, %s: %s %s.%s", log, facts.DBC, m.ID, m.Message, s.Signal), want: s,
				query: fmt.Sprintf(`select count("%[1]s"), min("%[1]s"), max("%[1]s"), sum("%[1]s"), min(t_ns) %[2]s, max(t_ns) %[2]s, epoch_us(min(t) %[2]s) `+
					`from read_parquet('%[3]s/*/message=%[4]s/*/*.parquet') where bus=%[5]d and id=%[6]d`,
					s.Signal, there, out, m.Message, m.Bus, id),
			})
		}
	}
	return all
}

func TestTimesInNanosecondsAsDuckDBReadsThem(t *testing.T) {
	dir := t.TempDir()
	dbc, log := filepath.Join(dir, "a.dbc"), filepath.Join(dir, "a.log")
	write(t, dbc, []byte("BO_ 256 M: 1 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n"))
	write(t, log, []byte("(1735343998.000001) can0 100#07\n(1735343998.000002) can0 7FF#\n"))
	candecode(t, "-q", "--dbc", dbc, "--timestamps", "ns", "-o", filepath.Join(dir, "out"), log)
	answers := duckdb(t, []string{
		fmt.Sprintf("select name, logical_type from parquet_schema('%s/out/*/message=M/*/*.parquet') where name in ('t', 't_ns')", dir),
		fmt.Sprintf("select epoch_us(t), S from read_parquet('%s/out/*/message=M/*/*.parquet')", dir),
		fmt.Sprintf("select epoch_us(t), id from read_parquet('%s/out/*/message=canseal_unknown/*/*.parquet')", dir),
	})
	for i, want := range []string{"NANOS", `"1735343998000001",7`, `"1735343998000002","2047"`} {
		if text := strings.ReplaceAll(string(answers[i]), " ", ""); !strings.Contains(text, want) || strings.Contains(text, "t_ns") {
			t.Errorf("%s, wanted %s", text, want)
		}
	}
}

func (q *question) judge(t *testing.T, answer []byte) {
	t.Helper()
	var rows [][]any
	if err := json.Unmarshal(answer, &rows); err != nil {
		t.Errorf("%s: %s", q.name, answer)
		return
	}
	got, want := rows[0], q.want
	if got[0] != fmt.Sprint(want.Count) {
		t.Errorf("%s: %v values, wanted %d", q.name, got[0], want.Count)
	}
	if want.Count == 0 {
		return
	}
	sum, _ := got[3].(float64)
	if got[1] != want.Min || got[2] != want.Max || math.Abs(sum-want.Sum) > 1e-12*float64(want.Count)*math.Max(math.Abs(want.Min), math.Abs(want.Max)) {
		t.Errorf("%s: from %v to %v, sum %v, wanted %v, %v, %v", q.name, got[1], got[2], got[3], want.Min, want.Max, want.Sum)
	}
	if got[4] != fmt.Sprint(want.First) || got[5] != fmt.Sprint(want.Last) || got[6] != fmt.Sprint(want.First/1000) {
		t.Errorf("%s: from %v ns to %v ns, from %v µs, wanted %d, %d", q.name, got[4], got[5], got[6], want.First, want.Last)
	}
}

// A table of more descriptions than a byte can count, all of which occur.
func TestEveryDescriptionOfALargeTableIsAText(t *testing.T) {
	dir, words, lines := t.TempDir(), "", []byte{}
	for i := range 1000 {
		words += fmt.Sprintf(` %d "word %d"`, i, i)
		lines = fmt.Appendf(lines, "(1735343998.%06d) can0 100#%02X%02X\n", i, i%256, i/256)
	}
	dbc, log, out := filepath.Join(dir, "a.dbc"), filepath.Join(dir, "a.log"), filepath.Join(dir, "out")
	write(t, dbc, []byte("BO_ 256 M: 2 X\n SG_ S : 0|16@1+ (1,0) [0|0] \"\" X\nVAL_ 256 S"+words+" ;\n"))
	write(t, log, lines)
	candecode(t, "-q", "--dbc", dbc, "--enum-text", "-o", out, log)
	answer := duckdb(t, []string{fmt.Sprintf("select count(*), count(distinct S_text), count(*) filter (S_text = 'word ' || S::int) "+
		"from read_parquet('%s/*/message=M/*/*.parquet')", out)})
	if want := `[["1000","1000","1000"]]`; string(answer[0]) != want {
		t.Errorf("%s, wanted %s", answer[0], want)
	}
}
