package simulate

import (
	"fmt"
	"math/rand/v2"
)

// cast makes the stations of a simulation.
type cast struct {
	*Options
	scene  *scene
	random func(b []byte) // of the devices; nil: from the seed
}

// all makes every device of this place and every attacker.
func (c cast) all() (list []station, err error) {
	for _, a := range c.Devices {
		if !c.Group.has(a) {
			return nil, fmt.Errorf("device %d is none of the group", a)
		}
		d, err := c.device(a)
		if err != nil {
			return nil, fmt.Errorf("device %d: %w", a, err)
		}
		list = append(list, d)
	}
	return append(list, c.attackers()...), nil
}

// seeded is a generator for one participant; who joins changes no other's.
func (c cast) seeded(participant uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, participant+16))
}

func (c cast) device(a uint8) (*device, error) {
	r, random := c.seeded(uint64(a)), c.random
	if random == nil {
		random = func(b []byte) {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
	}
	d, err := newDevice(c.Options, c.scene, a, r, random)
	if err != nil {
		return nil, err
	}
	for i, attack := range c.Attacks {
		if Kinds[attack.Kind].OnWay && (attack.Device == 0 || attack.Device == a) {
			d.exit.attacks = append(d.exit.attacks, newOnTheWay(attack, c.scene, c.Start, c.seeded(uint64(i+1)<<8+uint64(a))))
		}
	}
	return d, nil
}

func (c cast) attackers() (list []station) {
	for i, a := range c.Attacks {
		if !Kinds[a.Kind].OnWay {
			list = append(list, newAttacker(a, &c.Group, c.scene, c.Start, c.seeded(1<<16+uint64(i))))
		}
	}
	return list
}
