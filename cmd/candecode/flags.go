package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/can"
	"canseal/cmd/internal/reach"
	"canseal/cmd/internal/vouch"
	"canseal/decode"
	"canseal/decode/dbc"
	"canseal/decode/input"
	"canseal/decode/table"
	"canseal/internal/terminal"
	"canseal/mdf/container"
	"canseal/segment"
)

// flags are the words of the command line.
type flags struct {
	dbc, signals, messages, devices, isotp []string
	format, output, layout, per            string
	from, to, prefer, passwordFile         string
	verify, timestamps                     string
	raw, json, quiet, noTransport          bool
	authentic, vouched, enumText           bool
	dbcMap, plot                           string

	s3    reach.Flags
	vouch vouch.Flags
	temp  string
}

func (f *flags) register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.SortFlags = false
	set.StringArrayVar(&f.dbc, "dbc", nil, "DBC `[canN=]FILE`, for one bus or all; may be repeated, the first that fits wins")
	set.StringVar(&f.dbcMap, "dbc-map", "", "`file` with a line for each DBC file of some devices: PATTERN [canN=]FILE")
	set.StringVar(&f.format, "format", "", "candump, asc, csv, raw-csv, parquet or arrow (default parquet with --dbc, else candump)")
	set.StringVarP(&f.output, "output", "o", "", "folder of the tables; file of other formats (default standard output)")
	set.StringVar(&f.plot, "plot", "", "instead of tables: one page (`file.html`) that draws the signals in any browser, offline; wants --dbc")
	set.StringVar(&f.layout, "layout", "hive", "hive: device=D/message=M/date=Y-M-D/SESSION_SPLIT; canedge: D/CAN1_M/Y/M/D/SESSION_SPLIT; a file without a session is NAME_MARK")
	set.StringVar(&f.per, "per", "day", "a file for each message of a day, a session or a segment")
	set.StringVar(&f.timestamps, "timestamps", "us", "times in Parquet: us, microseconds and the exact column t_ns, for all readers; ns, nanoseconds, for Polars and pyarrow")
	set.StringSliceVar(&f.messages, "messages", nil, "only messages with these `names` (patterns with * ? [a-z])")
	set.StringSliceVar(&f.signals, "signals", nil, "only signals with these `names`, SIGNAL or MESSAGE.SIGNAL (patterns)")
	set.BoolVar(&f.raw, "raw", false, "raw values of signals instead of physical ones")
	set.BoolVar(&f.enumText, "enum-text", false, "beside each signal with value descriptions a column SIGNAL_text")
	set.StringVar(&f.prefer, "prefer", "exact", "which message decodes a frame: exact identifier first, or j1939 parameter group first")
	set.StringSliceVar(&f.isotp, "isotp", nil, "hexadecimal `identifiers` with ISO-TP beside those that the DBC files show; 8 digits: extended")
	set.BoolVar(&f.noTransport, "no-transport", false, "put no messages together (ISO-TP, J1939, NMEA 2000)")
	set.StringSliceVar(&f.devices, "device", nil, "only these `devices`")
	set.StringVar(&f.from, "from", "", "only what is not older than this `time` (RFC 3339, or 2006-01-02)")
	set.StringVar(&f.to, "to", "", "only what is older than this `time`")
	set.StringVar(&f.verify, "verify", "", "only segments that canseal verify calls `signed` by whom --ca or --device-cert say, or =consistent; others are told, and left out")
	set.Lookup("verify").NoOptDefVal = "signed"
	f.vouch.Register(cmd)
	set.BoolVar(&f.authentic, "authentic-only", false, "only frames with the verdict authentic; others are counted, and left out")
	set.BoolVar(&f.vouched, "include-vouched", false, "with --authentic-only also frames that heartbeats vouched for, and authentic ones of senders that were being guessed")
	set.StringVar(&f.passwordFile, "password-file", "", "`file` with the password of encrypted files (default: the variable CANDECODE_PASSWORD, else who sits at the terminal is asked)")
	f.s3.Register(cmd)
	set.StringVar(&f.temp, "temp", "", "`folder` for what cannot be read where it is (default: the system's)")
	set.BoolVar(&f.json, "json", false, "print the summary as JSON")
	set.BoolVarP(&f.quiet, "quiet", "q", false, "print no summary")
}

// settings are what the flags mean.
type settings struct {
	*flags
	rules    []decode.Rule
	isotpIDs []uint32
	input    input.Options
	trust    *trust // nil: all segments are taken
	warnings []string
}

func (f *flags) settings(ctx context.Context) (*settings, error) {
	s := &settings{flags: f}
	password := func() error { return s.readPassword(ctx) }
	for _, step := range []func() error{s.chooseFormat, s.readPatterns, s.readTimes, s.readISOTP, s.readTrust, password, s.readDBC, s.checkPatterns} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settings) chooseFormat() error {
	switch {
	case s.plot != "" && (s.format != "" || s.output != ""):
		return usage("--plot makes one page and nothing else: wanted neither --format nor -o")
	case s.plot != "" && !s.hasDBC():
		return usage("--plot: wanted --dbc FILE")
	case s.plot != "":
		s.format = "plot"
		return s.checkOrder()
	}
	if s.format == "" {
		s.format = "candump"
		if s.hasDBC() {
			s.format = "parquet"
		}
	}
	switch {
	case !slices.Contains([]string{"candump", "asc", "csv", "raw-csv", "parquet", "arrow"}, s.format):
		return usage("--format %s: wanted candump, asc, csv, raw-csv, parquet or arrow", s.format)
	case s.tables() && !s.hasDBC():
		return usage("--format %s: wanted --dbc FILE (raw-csv and candump need none)", s.format)
	case s.tables() && s.output == "":
		return usage("--format %s: wanted -o FOLDER", s.format)
	case s.layout != "hive" && s.layout != "canedge":
		return usage("--layout %s: wanted hive or canedge", s.layout)
	case s.timestamps != "us" && s.timestamps != "ns":
		return usage("--timestamps %s: wanted us or ns", s.timestamps)
	case s.timestamps == "ns" && s.format != "parquet":
		return usage("--timestamps ns is for Parquet: the times of %s have all their digits", s.format)
	case s.per != "day" && s.per != "session" && s.per != "segment":
		return usage("--per %s: wanted day, session or segment", s.per)
	}
	return s.checkOrder()
}

func (s *settings) checkOrder() error {
	if s.prefer != "exact" && s.prefer != "j1939" {
		return usage("--prefer %s: wanted exact or j1939", s.prefer)
	}
	return nil
}

func (s *settings) hasDBC() bool { return len(s.dbc) > 0 || s.dbcMap != "" }

// tables reports whether the output is tables of signals.
func (s *settings) tables() bool { return rowsHeld[s.format] > 0 }

func (s *settings) order() decode.Order {
	if s.prefer == "j1939" {
		return decode.GroupFirst
	}
	return decode.ExactFirst
}

func (s *settings) readPatterns() error {
	for _, p := range slices.Concat(s.messages, s.signals) {
		if _, err := path.Match(p, ""); err != nil {
			return usage("%q is no pattern", p)
		}
	}
	return nil
}

// checkPatterns finds the pattern that no DBC file can satisfy: a name mistyped
// is said before the logs are read.
func (s *settings) checkPatterns() error {
	if !s.hasDBC() {
		return nil
	}
	for _, p := range s.messages {
		fits := func(m *dbc.Message) bool { ok, _ := path.Match(p, m.Name); return ok }
		if !s.anyMessage(fits) {
			return usage("--messages %s: no message of the DBC files has such a name", shown(p))
		}
	}
	for _, p := range s.signals {
		choice := table.Choice{Signals: []string{p}}
		fits := func(m *dbc.Message) bool {
			return slices.ContainsFunc(m.Signals, func(g dbc.Signal) bool { return choice.Wants(m.Name, g.Name) })
		}
		if !s.anyMessage(fits) {
			return usage("--signals %s: no signal of the DBC files has such a name", shown(p))
		}
	}
	return nil
}

func (s *settings) anyMessage(fits func(*dbc.Message) bool) bool {
	return slices.ContainsFunc(s.rules, func(r decode.Rule) bool {
		return slices.ContainsFunc(r.File.Messages, fits)
	})
}

func (s *settings) readTimes() (err error) {
	s.input.Devices, s.input.Temp = s.devices, s.temp
	if s.input.From, err = parseTime("--from", s.from); err == nil {
		s.input.To, err = parseTime("--to", s.to)
	}
	return err
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s %s: wanted a time like 2026-11-20T08:00:00Z, or a day; without a zone it is UTC", flag, text)
}

func (s *settings) readISOTP() error {
	for _, text := range s.isotp {
		id, err := strconv.ParseUint(text, 16, 29)
		if err != nil || len(text) < 8 && id > 0x7ff {
			return usage("--isotp %s: wanted an identifier: 3 hexadecimal digits, or 8 of an extended one", text)
		}
		if len(text) == 8 {
			id |= 1 << 31
		}
		s.isotpIDs = append(s.isotpIDs, uint32(id))
	}
	return nil
}

func (s *settings) readTrust() error {
	switch s.verify {
	case "", "consistent":
		if s.vouch.Required() {
			return usage("--device-cert and --ca say whose signatures count: wanted --verify=signed with them")
		}
		if s.verify != "" {
			s.trust = newTrust(segment.Consistent, func(c segment.Card) (segment.Verification, error) { return c.Verify(segment.Trust{}) })
		}
	case "signed":
		if !s.vouch.Required() {
			return usage("--verify=signed: wanted --ca FILE or --device-cert FILE: a signature proves nothing before somebody says whose it is")
		}
		w, err := s.vouch.Load(time.Now())
		if err != nil {
			return err
		}
		s.trust = newTrust(segment.Signed, func(c segment.Card) (segment.Verification, error) {
			t, err := w.Trust(c.Device, vouch.Beside(c.FS))
			if err != nil {
				s.warnings = append(s.warnings, err.Error())
			}
			return c.Verify(t)
		})
	default:
		return usage("--verify=%s: wanted signed or consistent", s.verify)
	}
	if s.trust != nil {
		s.input.Keep = s.trust.keep
	}
	return nil
}

// limits of the files that are read whole.
const (
	longestPassword = 4096
	longestDBC      = 64 << 20
	longestMap      = 1 << 20
)

func (s *settings) readPassword(ctx context.Context) error {
	password := os.Getenv("CANDECODE_PASSWORD")
	if s.passwordFile != "" {
		text, err := readFile(s.passwordFile, longestPassword)
		if err != nil {
			return err
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	s.input.Password = func(string) (string, error) { return password, nil }
	if password == "" {
		s.input.Password = asker(ctx)
	}
	return nil
}

// asker asks for the password of each device once, if there is somebody to ask.
func asker(ctx context.Context) func(device string) (string, error) {
	known := map[string]string{}
	return func(device string) (string, error) {
		if p, asked := known[device]; asked {
			return p, nil
		}
		p, err := terminal.ReadSecret(ctx, fmt.Sprintf("password of the encrypted files of %s: ", shown(device)))
		if errors.Is(err, terminal.ErrNone) {
			return "", container.ErrNoPassword
		}
		if err == nil {
			known[device] = p
		}
		return p, err
	}
}

func readFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, wanted at most %d", name, info.Size(), limit)
	}
	return os.ReadFile(name)
}

func (s *settings) readDBC() error {
	for _, arg := range s.dbc {
		if err := s.addDBC("", arg, ""); err != nil {
			return err
		}
	}
	if s.dbcMap == "" {
		return nil
	}
	text, err := readFile(s.dbcMap, longestMap)
	if err != nil {
		return err
	}
	for n, line := range strings.Split(string(text), "\n") {
		pattern, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		if pattern == "" || pattern[0] == '#' {
			continue
		}
		if _, err := path.Match(pattern, ""); err != nil || strings.TrimSpace(arg) == "" {
			return usage("--dbc-map %s, line %d: wanted PATTERN [canN=]FILE", s.dbcMap, n+1)
		}
		if err := s.addDBC(pattern, strings.TrimSpace(arg), filepath.Dir(s.dbcMap)); err != nil {
			return err
		}
	}
	return nil
}

// addDBC takes "[canN=]FILE" for the devices of a pattern; "" is all. A
// relative name is below the folder.
func (s *settings) addDBC(device, arg, folder string) error {
	bus, name := uint8(0), arg
	if iface, file, found := strings.Cut(arg, "="); found {
		number, err := strconv.ParseUint(strings.TrimPrefix(iface, "can"), 10, 8)
		if err != nil || number > 254 || !strings.HasPrefix(iface, "can") {
			return usage("--dbc %s: wanted canN=FILE, where can0 is bus 1", arg)
		}
		bus, name = uint8(number)+1, file
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	text, err := readFile(name, longestDBC)
	if err != nil {
		return err
	}
	file, warnings := dbc.Parse(filepath.Base(name), text)
	for _, w := range warnings {
		s.warnings = append(s.warnings, name+": "+w.String())
	}
	if len(file.Messages) == 0 {
		s.warnings = append(s.warnings, name+": no messages")
	}
	s.rules = append(s.rules, decode.Rule{Device: device, Bus: bus, File: file})
	return nil
}

// believes tells whether --authentic-only lets a frame with this verdict pass.
func (s *settings) believes(v can.Verdict) bool {
	switch v {
	case can.Authentic:
		return true
	case can.Vouched, can.VouchedTwice, can.AuthenticUnderGuessing:
		return s.vouched
	}
	return false
}
