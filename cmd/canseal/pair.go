package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"canseal/can/socketcan"
	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/cmd/internal/appliance"
)

// pairing is what an operator says of one.
type pairing struct {
	at        place
	iface     string
	config    string
	device    uint8
	on        uint8
	save      []string
	erase     []string
	preset    uint8
	hold      time.Duration
	noVerify  bool
	group     []uint
	accept    bool
	open      bool
	serial    string
	direct    bool
	period    time.Duration
	pad       string
	signature uint8
	control   string
	asJSON    bool

	out, errs io.Writer
	o         cancrypt.PairOptions
	number    [8]byte // the serial number
}

func pairCommand() *cobra.Command {
	var p pairing
	cmd := &cobra.Command{
		Use:   "pair",
		Short: "pair with a CANcrypt device, and save or erase keys there",
		Long: `Pair is a CANcrypt configurator. It pairs with one device on a key that both hold (--on SLOT) or, where there is none yet,
by generating one bit by bit (--on 0), erases and saves keys there by secured messages, and unpairs. A key that is
saved is a new random one, or with --preset one of this box's own. This box keeps it for that device (canseal keys list),
before the device does; then both are paired on it once more, which proves that they hold the same key.

Who may save and erase: a pairing on slot k reaches slots up to k; a blank device takes one key into any slot. Saving
into a slot that holds a key needs an erase before.

With --group several blank devices get this box's key of slot 3, a new one if it has none: the first grouping of a vehicle.

With --accept this box is the device: it waits to be paired, until interrupted. --open lets it be paired without a key.
On a bus where canseald is a member with that address, stop it meanwhile: it takes the frames for an attack.

Generating a key hides it from programs on the bus, not from whoever can measure the wires: do it in a place you trust.
A first key can be brought in a file instead: canseal keys provision. Do not run a configurator beside another one.`,
		Example: `  canseal pair --interface can0 --device 3 --save 4          # a blank device: its first key
  canseal pair --interface can0 --device 3 --on 4 --save 3 --preset 3   # the group's key
  canseal pair --interface can0 --device 3 --on 4 --erase 2 --save 2
  canseal pair --interface can0 --group 2,3,4               # blank devices: the group's key for all
  canseal pair --interface can0 --device 1 --accept --open   # this box is the blank device`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.out, p.errs = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return p.run(cmd.Context())
		},
	}
	p.flags(cmd)
	return cmd
}

func (p *pairing) flags(cmd *cobra.Command) {
	p.at.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&p.iface, "interface", "", "bus to pair on")
	f.Uint8Var(&p.device, "device", 0, "the device's address, 1 to 15")
	f.Uint8Var(&p.on, "on", 0, "slot of the key to pair on; 0 generates one")
	f.StringSliceVar(&p.erase, "erase", nil, "slot to be emptied at the device; may be repeated")
	f.StringSliceVar(&p.save, "save", nil, "slot to be filled at the device; may be repeated")
	f.Uint8Var(&p.preset, "preset", 0, "save this box's own key of this slot, instead of a new one")
	f.DurationVar(&p.hold, "hold", 0, "stay paired for so long before unpairing")
	f.BoolVar(&p.noVerify, "no-verify", false, "do not pair on a saved key once more")
	f.UintSliceVar(&p.group, "group", nil, "blank devices, by address, that get the group's key one after the other")
	f.BoolVar(&p.accept, "accept", false, "be the device, and wait to be paired")
	f.BoolVar(&p.open, "open", false, "with --accept: pair without a key too (commissioning, in a trusted place)")
	f.StringVar(&p.serial, "serial", "", "serial number that pairings are bound to, 16 hex digits; any: what the device says")
	f.StringVar(&p.config, "config", "", "take methods, period and message table of --interface from this config.yaml")
	f.BoolVar(&p.direct, "direct", false, "bit claims without delay: tells who sent them, for tests only")
	f.DurationVar(&p.period, "period", time.Second, "update period of the pairing's key")
	f.StringVar(&p.pad, "pad", "speck", "cipher of the pad: speck, aes128 or aes256")
	f.Uint8Var(&p.signature, "signature", 1, "signature method: 1 or 2")
	f.StringVar(&p.control, "control-id", "0x170", "control identifier of address 0; 0x and eight digits: 29 bits")
	f.BoolVar(&p.asJSON, "json", false, "print events as JSON, one per line")
}

func (p *pairing) run(ctx context.Context) error {
	if err := p.settle(); err != nil {
		return err
	}
	if err := os.MkdirAll(p.at.stateDir(), 0o700); err != nil {
		return err
	}
	if p.accept {
		return p.serve(ctx)
	}
	if p.group != nil {
		return p.introduce(ctx)
	}
	plan, err := p.plan()
	if err != nil {
		return appliance.Usage(err)
	}
	if err := p.configure(ctx, p.on, plan); err != nil || p.noVerify {
		return err
	}
	for _, id := range plan.Save {
		if err := p.configure(ctx, id, node.Plan{}); err != nil {
			return fmt.Errorf("slot %d: saved, but pairing on it failed, so the device may hold another key: %w", id, err)
		}
		p.say("verified", id, fmt.Sprintf("slot %d: both hold the same key", id))
	}
	return nil
}

func (p *pairing) plan() (plan node.Plan, err error) {
	plan.Hold = p.hold
	if plan.Erase, err = slotNumbers(p.erase); err == nil {
		plan.Save, err = slotNumbers(p.save)
	}
	switch {
	case err != nil:
		return plan, err
	case p.on > cancrypt.MaxSlots:
		return plan, fmt.Errorf("--on: found %d, wanted 0 to %d", p.on, cancrypt.MaxSlots)
	case p.open:
		return plan, errors.New("--open belongs to --accept")
	}
	return plan, nil
}

// settle turns what the operator says into the options of both sides.
func (p *pairing) settle() (err error) {
	p.o = cancrypt.PairOptions{Period: int64(p.period)}
	if p.config != "" {
		if p.o, err = appliance.PairSettings(p.config, p.iface); err != nil {
			return err
		}
	} else if p.o.Methods, err = p.methods(); err != nil {
		return appliance.Usage(err)
	}
	if err := p.settleSerial(); err != nil {
		return appliance.Usage(err)
	}
	p.o.Device, p.o.Claims, p.o.Random = p.device, [2]cancrypt.Word{0x010, 0x011}, func(b []byte) { rand.Read(b) }
	if p.o.Control, err = controlID(p.control); err != nil {
		return appliance.Usage(err)
	}
	p.o.Methods = p.o.Methods.ForPairing(p.o.Period, p.direct, p.serial != "")
	switch {
	case p.iface == "":
		return appliance.Usage(errors.New("wanted --interface"))
	case p.group == nil && (p.device < 1 || p.device > 15):
		return appliance.Usage(fmt.Errorf("--device: found %d, wanted 1 to 15", p.device))
	}
	return nil
}

func (p *pairing) methods() (cancrypt.Methods, error) {
	pads := map[string]cancrypt.PadCipher{"speck": cancrypt.PadSpeck, "aes128": cancrypt.PadAES128, "aes256": cancrypt.PadAES256}
	pad, ok := pads[p.pad]
	switch {
	case !ok:
		return 0, fmt.Errorf("--pad: found %q, wanted speck, aes128 or aes256", p.pad)
	case p.signature != 1 && p.signature != 2:
		return 0, fmt.Errorf("--signature: found %d, wanted 1 or 2", p.signature)
	}
	return cancrypt.NewMethods(pad, cancrypt.Signature(p.signature)), nil
}

func (p *pairing) settleSerial() error {
	if p.serial == "" || p.serial == "any" && !p.accept {
		return nil
	}
	if n, err := hex.Decode(p.number[:], []byte(p.serial)[:min(len(p.serial), 16)]); err != nil || n != 8 || len(p.serial) != 16 {
		return fmt.Errorf("--serial: found %q, wanted 16 hexadecimal digits", p.serial)
	}
	return nil
}

// controlID reads an identifier whose low nibble is free: eight digits are 29
// bits.
func controlID(text string) (cancrypt.Word, error) {
	n, err := strconv.ParseUint(text, 0, 32)
	w := cancrypt.Word(n)
	if len(text) > 2+4 {
		w |= cancrypt.Extended
	}
	if err != nil || !w.Valid() || n&15 != 0 {
		return 0, fmt.Errorf("--control-id: found %q, wanted an identifier that ends in 0", text)
	}
	return w, nil
}

// configure pairs once as the configurator.
func (p *pairing) configure(ctx context.Context, on uint8, plan node.Plan) error {
	h := node.Holder{Bus: p.iface, Device: p.device}
	slots, err := p.at.store().Slots(h, node.FromPairing, on)
	if err != nil {
		return err
	}
	o := cancrypt.ConfiguratorOptions{PairOptions: p.o, KeyID: on, Slots: slots, Serial: p.number}
	if p.preset != 0 {
		key, err := p.at.store().Key(node.Holder{Bus: p.iface}, p.preset)
		if err != nil {
			return err
		}
		o.Preset = &key
	}
	c, err := cancrypt.NewConfigurator(o)
	if err != nil {
		return err
	}
	return node.Configure(ctx, c, plan, p.bus())
}

// serve is the device's side.
func (p *pairing) serve(ctx context.Context) error {
	if len(p.save)+len(p.erase) > 0 || p.on != 0 || p.preset != 0 {
		return appliance.Usage(errors.New("--accept waits for what a configurator wants: without --on, --save, --erase, --preset"))
	}
	slots, err := p.at.store().Slots(node.Holder{Bus: p.iface}, node.FromPairing)
	if err != nil {
		return err
	}
	d, err := cancrypt.NewDevice(cancrypt.DeviceOptions{PairOptions: p.o, Slots: slots, Serial: p.number, Open: p.open})
	if err != nil {
		return err
	}
	p.say("ready", 0, fmt.Sprintf("device %d on %s waits to be paired", p.device, p.iface))
	return node.ServeDevice(ctx, d, p.bus())
}

// bus is how both sides are run on a real one.
func (p *pairing) bus() node.PairRun {
	var ids []socketcan.ID
	o := p.o
	for _, d := range append([]uint{uint(p.device)}, p.group...) {
		o.Device = uint8(d)
		for _, w := range o.Words() {
			ids = append(ids, socketcan.ID{Number: w.ID(), Extended: w&cancrypt.Extended != 0})
		}
	}
	return node.PairRun{
		Open: func() (node.Port, error) {
			return socketcan.OpenParticipant(socketcan.PortOptions{Interface: p.iface, Receive: ids})
		},
		Event: p.tell,
		Full:  func(err error) bool { return errors.Is(err, syscall.ENOBUFS) },
	}
}
