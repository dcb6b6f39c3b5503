package main

import (
	"context"
	"errors"
	"fmt"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/cmd/internal/appliance"
)

// introduce gives blank devices the group's key.
func (p *pairing) introduce(ctx context.Context) error {
	devices, err := p.devices()
	if err != nil {
		return appliance.Usage(err)
	}
	key, err := p.groupKey()
	if err != nil {
		return err
	}
	return node.Introduce(ctx, p.o, devices, key, p.bus(), func(d uint8) {
		p.say("verified", node.GroupSlot, fmt.Sprintf("device %d: holds the group's key in slot %d", d, node.GroupSlot))
	})
}

func (p *pairing) devices() (list []uint8, err error) {
	if p.device != 0 || p.on != 0 || p.preset != 0 || len(p.save)+len(p.erase) > 0 || p.hold != 0 || p.open {
		return nil, errors.New("--group says all: without --device, --on, --save, --erase, --preset, --hold, --open")
	}
	for _, d := range p.group {
		if d < 1 || d > 15 {
			return nil, fmt.Errorf("--group: found device %d, wanted 1 to 15", d)
		}
		list = append(list, uint8(d))
	}
	return list, nil
}

// groupKey is this box's key of the group, made now if there is none.
func (p *pairing) groupKey() (cancrypt.Key, error) {
	h := node.Holder{Bus: p.iface}
	key, err := p.at.store().Key(h, node.GroupSlot)
	if errors.Is(err, node.ErrNoKey) {
		if err = p.at.store().Make(h, node.GroupSlot); err == nil {
			key, err = p.at.store().Key(h, node.GroupSlot)
		}
	}
	return key, err
}
