package mdf

// SideSize returns the bytes of a record, without its id, of a side group
// ("CANseal_Gap" and so on); 0 for a name that this version does not know.
func SideSize(name string) int {
	if g := named(name); g != nil && g.rid > ridError {
		return g.size
	}
	return 0
}

// ReadSide reads a record, without its id, of a side group, in a file that
// began at start; nil for marks and names that this version does not know. rec
// has SideSize bytes or more. The error says which value cannot be.
func ReadSide(name string, rec []byte, start int64) (Record, error) {
	if g := named(name); g != nil && g.rid > ridError {
		return decodeSide(g.rid, rec, start)
	}
	return nil, nil
}
