package appliance

import (
	"log/slog"

	"canseal/can"
	"canseal/can/socketcan"
	"canseal/config"
	"canseal/logger"
)

// buses is where frames come from: the machine's CAN interfaces, or a source
// that stands in for them.
type buses struct {
	can.Source
	capture *socketcan.Capture // nil with another source
}

func openBuses(o Options, c *config.Config) (*buses, error) {
	if o.Source != nil {
		return &buses{Source: o.Source}, nil
	}
	capture, err := socketcan.Open(captureOptions(c, o.Log))
	if err != nil {
		return nil, err
	}
	return &buses{capture, capture}, nil
}

func captureOptions(c *config.Config, log *slog.Logger) socketcan.Options {
	out := socketcan.Options{Log: log}
	for _, b := range c.Buses {
		out.Interfaces = append(out.Interfaces, socketcan.Interface{
			Name: b.Interface, Bus: uint8(b.Number), ReceiveBuffer: int(b.ReceiveBuffer), ErrorFrames: c.Log.ErrorFrames,
		})
	}
	return out
}

// Links tells what the interfaces say of themselves.
func (b *buses) Links() []logger.Link {
	if b.capture == nil {
		return nil
	}
	var links []logger.Link
	for _, s := range b.capture.Status() {
		links = append(links, logger.Link{
			Number: s.Bus, Interface: s.Name, State: s.Link, Controller: s.Controller, Bitrate: s.BitRate, DataBitrate: s.DataBitRate,
			ListenOnly: s.ListenOnly, FD: s.FD, Stamps: s.Stamps, ReceiveBuffer: s.ReceiveBuffer,
		})
	}
	return links
}

// bitRates are the nominal rates by bus number, 0: not known.
func (b *buses) bitRates() (rates [8]uint32) {
	for _, l := range b.Links() {
		if l.Number >= 1 && l.Number <= 8 {
			rates[l.Number-1] = l.Bitrate
		}
	}
	return rates
}
