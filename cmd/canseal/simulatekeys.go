package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"canseal/cancrypt/node"
	"canseal/cancrypt/simulate"
	"canseal/cmd/internal/appliance"
)

const noProtection = "canseal: the demonstration key protects nothing: everybody knows it"

// unlock gives the group its key: the demonstration key, or that of the bus in
// the key store.
func (s *simulation) unlock(g *simulate.Group, errs io.Writer) (err error) {
	if s.demoKeys {
		fmt.Fprintln(errs, noProtection)
		return nil
	}
	g.Key, err = s.at.store().Key(node.Holder{Bus: s.iface}, s.key)
	if errors.Is(err, node.ErrNoKey) {
		return appliance.Usage(fmt.Errorf("%w; canseal keys provision brings one, --demo-keys uses one that everybody knows", err))
	}
	return err
}

// storeDemoKey lets a logger judge a group that uses the demonstration key.
func (s *simulation) storeDemoKey(errs io.Writer) error {
	fmt.Fprintln(errs, noProtection)
	if err := os.MkdirAll(s.at.stateDir(), 0o700); err != nil {
		return err
	}
	slots, err := s.at.store().Slots(node.Holder{Bus: s.iface}, node.FromProvisioning)
	if err != nil {
		return err
	}
	return slots.Put(s.key, simulate.InsecureKey())
}
