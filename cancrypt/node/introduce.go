package node

import (
	"context"
	"fmt"

	"canseal/cancrypt"
)

// GroupSlot is where devices keep the group's key (P1.2).
const GroupSlot = 3

// Introduce gives blank devices, one after the other, the key of a group: the
// active grouping of P1.15, also on classical CAN. With each a pairing generates a
// key, the group's key is forced on it bit by bit, and the device saves it in
// GroupSlot; a second pairing on it shows that it did. It is for the first power-up,
// in a trusted place: whoever answers for a device gets the key. An error says at
// which device it stopped; those before it have the key. done is told of each of
// them; it may be nil.
func Introduce(ctx context.Context, o cancrypt.PairOptions, devices []uint8, key cancrypt.Key, how PairRun, done func(device uint8)) error {
	for _, d := range devices {
		o.Device = d
		if err := introduce(ctx, o, key, how); err != nil {
			return fmt.Errorf("device %d: %w", d, err)
		}
		if done != nil {
			done(d)
		}
	}
	return nil
}

func introduce(ctx context.Context, o cancrypt.PairOptions, key cancrypt.Key, how PairRun) error {
	slots, err := cancrypt.NewSlots(nil, nil)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		on   uint8
		plan Plan
	}{{0, Plan{Save: []uint8{GroupSlot}}}, {GroupSlot, Plan{}}} {
		c, err := cancrypt.NewConfigurator(cancrypt.ConfiguratorOptions{PairOptions: o, KeyID: step.on, Slots: slots, Preset: &key})
		if err != nil {
			return err
		}
		if err := Configure(ctx, c, step.plan, how); err != nil {
			return err
		}
	}
	return nil
}
