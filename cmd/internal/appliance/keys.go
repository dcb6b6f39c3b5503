package appliance

import (
	"errors"
	"fmt"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/config"
)

// Keys is the store of CANcrypt's key slots in a state folder. What it writes
// belongs to the folder's owner, whoever runs this program.
func Keys(stateDir string) node.Store {
	return node.At(stateDir, func(name string) error { return giveToOwner(stateDir, name) })
}

// PairSettings are what a configuration says of pairings on an interface: the
// methods word and update period of its group, and the message table.
func PairSettings(file, iface string) (cancrypt.PairOptions, error) {
	text, err := readLimited(file, maxConfig)
	if err != nil {
		return cancrypt.PairOptions{}, err
	}
	c, problems := CheckConfig(text)
	if len(problems) > 0 {
		return cancrypt.PairOptions{}, WithExit(ExitConfig, errors.New(problems[0].In(file)))
	}
	for i := range c.Buses {
		b := &c.Buses[i]
		if b.Interface != iface {
			continue
		}
		table, err := tableOf(&b.Cancrypt.Cancrypt)
		o := cancrypt.PairOptions{Methods: methodsOf(&b.Cancrypt.Cancrypt), Period: int64(b.Cancrypt.Event), Table: table}
		if b.Cancrypt.Profile == config.ProfileFD || len(b.Cancrypt.Table) == 0 {
			o.Table = nil
		}
		return o, err
	}
	return cancrypt.PairOptions{}, WithExit(ExitConfig, fmt.Errorf("%s: wanted a bus with interface %s, found none", file, iface))
}
