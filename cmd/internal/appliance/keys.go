package appliance

import "canseal/cancrypt/node"

// Keys is the store of CANcrypt's key slots in a state folder. What it writes
// belongs to the folder's owner, whoever runs this program.
func Keys(stateDir string) node.Store {
	return node.At(stateDir, func(name string) error { return giveToOwner(stateDir, name) })
}
