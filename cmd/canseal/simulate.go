package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/cancrypt"
	"canseal/cancrypt/simulate"
	"canseal/cmd/internal/appliance"
)

// simulation is what the command line says of a simulated group.
type simulation struct {
	iface     string
	log       string
	truth     string
	devices   int
	only      []uint
	attackers bool
	messages  []string
	attacks   []string
	at        place
	demoKeys  bool
	storeDemo bool
	once      bool
	json      bool
	bus       uint8
	key       uint8
	event     time.Duration
	inhibit   time.Duration
	signature uint8
	pad       string
	extra     string
	length    time.Duration
	seed      uint64
	loss      float64
	deaf      bool
	config    bool
	check     bool
	share     float64
}

func simulateCommand() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "play a CANcrypt group, and attack it",
		Long: `Simulate is a group of 2 to 15 CANcrypt devices for people without hardware: each joins the group, sends its
heartbeats and its messages, and watches for manipulation. Attacks are added on demand.

  --interface IF   on a real bus, such as a vcan; all devices, or some of them per process (--device, --attacker)
  --log FILE       on a simulated bus of 500 kbit/s in virtual time; the log is candump text
  --check LOG...   holds the verdicts in segments of a logger against truth lists; exit code 1 if an attack passed

Each process can write a truth list (--truth): one JSON object per line for each frame that it had on the bus, with
time, kind (honest, or the attack), what the frame is, by which device, in whose name, and the device's state.

Messages: ` + simulate.MessageSyntax + `
ID has three hex digits, or eight for a 29-bit identifier; RATE is per second. Without --message each device sends two:
200h + 10h * address encrypted, 50 a second, and the identifier after it authenticated only, 10 a second.

Attacks: ` + simulate.AttackSyntax + `
` + attackHelp() + `
A device that sees its own identifier used by somebody else falls silent for three event times and then has the group
start again, as the profile wants it: its messages are "sender lost or left" meanwhile. --deaf turns that off.

The group's key is that of the key store (--state, --key), or with --demo-keys one that everybody knows. A logger that is to
judge the group needs the same key and the same table: --store-demo-key puts that key into its store, --print-config
prints section cancrypt of its config.yaml.`,
		Example: `  canseal simulate --demo-keys --interface vcan0 --devices 5 --message 0x123@50 --attack inject@2
  canseal simulate --demo-keys --interface vcan0 --devices 3 --device 2 --truth device2.jsonl
  canseal simulate --demo-keys --interface vcan0 --devices 3 --attacker --attack replay --attack flood@2000,from=10s,for=5s
  canseal simulate --demo-keys --log bus.log --duration 60s --attack guess --truth truth.jsonl
  canseal simulate --devices 5 --print-config >> card/config.yaml
  canseal simulate --store-demo-key --root card
  canseal simulate --check --truth truth.jsonl card/LOG/*/*/*.MF4`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	s.flags(cmd)
	s.at.flags(cmd)
	return cmd
}

func (s *simulation) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.iface, "interface", "", "real bus to play on")
	f.StringVar(&s.log, "log", "", "candump file to write, in virtual time")
	f.StringVar(&s.truth, "truth", "", "truth list to write; with --check to read, several with commas")
	f.IntVar(&s.devices, "devices", 5, "devices of the group, 2 to 15")
	f.UintSliceVar(&s.only, "device", nil, "play only this device (its address) in this process; may be repeated")
	f.BoolVar(&s.attackers, "attacker", false, "play only the attacks in this process, no device")
	f.StringArrayVar(&s.messages, "message", nil, "a message of a device; may be repeated")
	f.StringArrayVar(&s.attacks, "attack", nil, "an attack; may be repeated")
	f.BoolVar(&s.demoKeys, "demo-keys", false, "INSECURE: use the demonstration key, which everybody knows")
	f.BoolVar(&s.storeDemo, "store-demo-key", false, "INSECURE: put the demonstration key into the key store of a logger, and end")
	f.BoolVar(&s.once, "group-once", false, "the devices of this process listen, send GROUP once in their life, and leave again")
	f.Uint8Var(&s.key, "key", 3, "slot of the group key")
	f.DurationVar(&s.event, "event", time.Second, "event time: period of heartbeats and keys")
	f.DurationVar(&s.inhibit, "inhibit", 250*time.Millisecond, "inhibit time between a device's heartbeats")
	f.Uint8Var(&s.signature, "signature", 1, "signature method of messages that do not say: 1 or 2")
	f.StringVar(&s.pad, "pad", "speck", "cipher of the pad: speck, aes128 or aes256")
	f.StringVar(&s.extra, "extra", "none", "additional inputs to the pad: none or heartbeats")
	f.DurationVar(&s.length, "duration", 0, "how long; 0: until interrupted, with --log 60s")
	f.Uint64Var(&s.seed, "seed", 1, "what messages say and when attacks come; with --log equal seeds give equal logs")
	f.Float64Var(&s.loss, "loss", 0, "share of frames that each receiver misses, 0 to 1; with --log the log too")
	f.BoolVar(&s.deaf, "deaf", false, "devices do not watch for manipulation")
	f.BoolVar(&s.config, "print-config", false, "print the logger's settings for this group")
	f.BoolVar(&s.check, "check", false, "hold the verdicts of segments against truth lists")
	f.Uint8Var(&s.bus, "bus", 0, "with --check: only this bus of the logger, by number")
	f.BoolVar(&s.json, "json", false, "with --check: print JSON")
	f.Float64Var(&s.share, "share", 0.999, "with --check: share of honest listed frames that must be authentic")
}

// attackHelp lists the attacks for people.
func attackHelp() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(simulate.Kinds)) {
		info := simulate.Kinds[k]
		where := ""
		if info.OnWay {
			where = " (in the process of the device)"
		}
		fmt.Fprintf(&b, "  %-10s %s; verdict %s%s\n", k, info.Text, verdicts(info.Own), where)
	}
	return b.String()
}

func verdicts(list []can.Verdict) string {
	var names []string
	for _, v := range list {
		names = append(names, fmt.Sprintf("%q", v))
	}
	return strings.Join(names, " or ")
}

func (s *simulation) run(ctx context.Context, out, errs io.Writer, args []string) error {
	if s.check {
		return s.judge(out, args)
	}
	if len(args) > 0 {
		return appliance.Usage(fmt.Errorf("found %q, wanted flags only, or --check", args[0]))
	}
	o, err := s.options()
	if err != nil {
		return appliance.Usage(err)
	}
	if s.config {
		_, err := io.WriteString(out, o.Group.YAML())
		return err
	}
	if s.storeDemo {
		return s.storeDemoKey(errs)
	}
	if err := s.unlock(&o.Group, errs); err != nil {
		return err
	}
	return s.play(ctx, o)
}

// options are the simulation's, without its key.
func (s *simulation) options() (o simulate.Options, err error) {
	o = simulate.Options{Seed: s.seed, Loss: s.loss, Quiet: s.deaf, Length: s.length, Once: s.once, Start: time.Now().UnixNano()}
	if s.attackers {
		o.Devices = []uint8{}
	}
	if s.attackers && len(s.only) > 0 {
		return o, errors.New("found --attacker and --device, wanted one of them")
	}
	for _, a := range s.only {
		o.Devices = append(o.Devices, uint8(min(a, 255)))
	}
	for _, text := range s.attacks {
		a, err := simulate.ParseAttack(text)
		if err != nil {
			return o, err
		}
		o.Attacks = append(o.Attacks, a)
	}
	if s.loss < 0 || s.loss > 1 || s.length < 0 {
		return o, errors.New("--loss wants 0 to 1, --duration no time below 0")
	}
	o.Group, err = s.group()
	return o, err
}

func (s *simulation) group() (g simulate.Group, err error) {
	var messages []simulate.Message
	for _, text := range s.messages {
		m, err := simulate.ParseMessage(text)
		if err != nil {
			return g, err
		}
		messages = append(messages, m)
	}
	if g, err = simulate.NewGroup(s.devices, messages...); err != nil {
		return g, err
	}
	pad, ok := map[string]cancrypt.PadCipher{"speck": cancrypt.PadSpeck, "aes128": cancrypt.PadAES128, "aes256": cancrypt.PadAES256}[s.pad]
	switch {
	case !ok:
		return g, fmt.Errorf("--pad: found %q, wanted speck, aes128 or aes256", s.pad)
	case s.extra != "none" && s.extra != "heartbeats":
		return g, fmt.Errorf("--extra: found %q, wanted none or heartbeats", s.extra)
	case s.signature != 1 && s.signature != 2:
		return g, fmt.Errorf("--signature: found %d, wanted 1 or 2", s.signature)
	case s.key < 1 || s.key > 6:
		return g, fmt.Errorf("--key: found %d, wanted a slot, 1 to 6", s.key)
	}
	g.Methods = cancrypt.NewMethods(pad, cancrypt.Signature(s.signature))
	if s.extra == "heartbeats" {
		g.Methods |= 1 << 15
	}
	g.KeyID, g.Event, g.Inhibit = s.key, s.event, s.inhibit
	return g, nil
}

// play runs the simulation on the bus that was asked for.
func (s *simulation) play(ctx context.Context, o simulate.Options) (err error) {
	if (s.iface == "") == (s.log == "") {
		return appliance.Usage(errors.New("wanted one of --interface and --log"))
	}
	if s.truth != "" {
		list, err := create(s.truth)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, list.Close()) }()
		o.Truth = func(t *simulate.Truth) { list.Write(append(t.AppendJSON(nil), '\n')) }
	}
	if s.log != "" {
		return s.dump(o)
	}
	line, err := openLine(s.iface, &o.Group)
	if err != nil {
		return err
	}
	return simulate.Live(ctx, o, line)
}

func openLine(name string, g *simulate.Group) (simulate.Line, error) {
	var ids []socketcan.ID
	for _, w := range g.Identities() {
		ids = append(ids, socketcan.ID{Number: w.ID(), Extended: w&cancrypt.Extended != 0})
	}
	return socketcan.OpenParticipant(socketcan.PortOptions{Interface: name, Receive: ids})
}

// dump writes a candump log.
func (s *simulation) dump(o simulate.Options) (err error) {
	if o.Length == 0 {
		o.Length = time.Minute
	}
	bus, err := simulate.New(o)
	if err != nil {
		return err
	}
	file, err := create(s.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for buf := make([]can.Event, 256); ; {
		n, err := bus.Read(buf)
		for i := range buf[:n] {
			if buf[i].Kind == can.KindFrame {
				file.Write(append(can.AppendCandump(nil, &buf[i], "can0"), '\n'))
			}
		}
		if err != nil {
			return nil // its end
		}
	}
}

// output is a buffered file; its first error shows at the end.
type output struct {
	*bufio.Writer
	file *os.File
}

func create(name string) (*output, error) {
	if name == "-" {
		return &output{bufio.NewWriter(os.Stdout), nil}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &output{bufio.NewWriter(f), f}, nil
}

// Close writes what is left.
func (o *output) Close() error {
	err := o.Flush()
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}
