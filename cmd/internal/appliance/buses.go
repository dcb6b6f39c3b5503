package appliance

import (
	"log/slog"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/config"
	"canseal/link/probe"
	"canseal/logger"
)

// buses is where frames come from: the machine's CAN interfaces, or a source
// that stands in for them.
type buses struct {
	can.Source
	capture *socketcan.Capture // nil with another source, or where all buses hang on probes
	probes  *probe.Server      // nil without probes
	set     [8]uint32          // nominal rates that canseal sets, by bus number; 0: none
}

func openBuses(o Options, c *config.Config, probes *probe.Server) (*buses, error) {
	if o.Source != nil {
		return &buses{Source: o.Source}, nil
	}
	b, sources := &buses{probes: probes}, []can.Source{}
	if co := captureOptions(c, o.Log); len(co.Interfaces) > 0 || probes == nil {
		capture, err := socketcan.Open(co)
		if err != nil {
			return nil, err
		}
		b.capture, sources = capture, append(sources, capture)
	}
	if probes != nil {
		sources = append(sources, probes)
	}
	b.Source = join(sources...)
	for _, bus := range c.Buses {
		if bus.Configure {
			b.set[bus.Number-1] = uint32(*bus.Check.Bitrate) // checked by config
		}
	}
	return b, nil
}

func captureOptions(c *config.Config, log *slog.Logger) socketcan.Options {
	out := socketcan.Options{Log: log}
	for _, b := range c.Buses {
		if b.Probe() != "" {
			continue
		}
		out.Interfaces = append(out.Interfaces, socketcan.Interface{
			Name: b.Interface, Bus: uint8(b.Number), ReceiveBuffer: int(b.ReceiveBuffer), ErrorFrames: c.Log.ErrorFrames,
			Want: wanted(b.Check), Configure: b.Configure, Filter: kernelRules(&b), Pass: needed(&b),
		})
	}
	return out
}

// wanted is what a link shall be like.
func wanted(c config.Check) socketcan.Settings {
	s := socketcan.Settings{FD: c.FD, Restart: c.Restart, ListenOnly: c.ListenOnly}
	if c.Bitrate != nil {
		s.BitRate = uint32(*c.Bitrate)
	}
	if c.DataBitrate != nil {
		s.DataBitRate = uint32(*c.DataBitrate)
	}
	return s
}

// transmitters are the services that send the lists of the configuration.
func (b *buses) transmitters(c *config.Config, log *slog.Logger) (list []*socketcan.Transmitter) {
	for _, bus := range c.Buses {
		if len(bus.Transmit) == 0 || b.capture == nil {
			continue
		}
		o := socketcan.TransmitOptions{Interface: bus.Interface, Bus: uint8(bus.Number), Capture: b.capture, Log: log}
		for _, t := range bus.Transmit {
			o.List = append(o.List, socketcan.Timed{Frame: frameOf(t), Delay: t.Delay, Period: t.Period, Log: t.Log})
		}
		list = append(list, socketcan.NewTransmitter(o))
	}
	return list
}

// frameOf is the frame of an entry. A remote frame carries no data, but asks
// for as many bytes as the entry has.
func frameOf(t config.Transmit) can.Frame {
	f := can.Frame{ID: t.Match.First, DLC: can.DLC(len(t.Data))}
	for flag, is := range map[can.Flags]bool{can.Extended: t.Match.Extended, can.FD: t.FD, can.BRS: t.BRS, can.Remote: t.Remote} {
		if is {
			f.Flags |= flag
		}
	}
	if !t.Remote {
		f.Len = uint8(copy(f.Data[:], t.Data))
	}
	return f
}

// Links tells what the interfaces say of themselves.
func (b *buses) Links() []logger.Link {
	var links []logger.Link
	if b.probes != nil {
		links = probeLinks(b.probes)
	}
	if b.capture == nil {
		return links
	}
	for _, s := range b.capture.Status() {
		links = append(links, logger.Link{
			Number: s.Bus, Interface: s.Name, State: s.Link, Controller: s.Controller, Bitrate: s.BitRate, DataBitrate: s.DataBitRate,
			ListenOnly: s.ListenOnly, FD: s.FD, Stamps: s.Stamps, ReceiveBuffer: s.ReceiveBuffer,
			Differs: s.Differs, Problem: s.Problem, LeftOut: s.LeftOut + s.Unlogged, Unlogged: s.Unlogged,
			Filtered: s.Filtered, FilteredUnknown: s.FilteredUnknown,
		})
	}
	return links
}

// bitRates are the nominal rates by bus number, 0: not known. A link that is
// about to be set counts as set.
func (b *buses) bitRates() [8]uint32 {
	rates := b.set
	for _, l := range b.Links() {
		if l.Number >= 1 && l.Number <= 8 && rates[l.Number-1] == 0 {
			rates[l.Number-1] = l.Bitrate
		}
	}
	return rates
}
