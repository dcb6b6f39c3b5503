package can

// Rule is one entry of a filter list: which data and remote frames it speaks
// of, and whether they pass. In a list the first rule that has a frame decides.
type Rule struct {
	Extended    bool   // 29-bit identifiers
	First, Last uint32 // a range; equal for one identifier, and with a mask
	Mask        uint32 // 0: First..Last; else the bits that must be those of First
	Remote      bool   // remote frames too
	Reject      bool
}

// Has reports whether the rule speaks of a frame. It never does of an error
// message.
func (r Rule) Has(f *Frame) bool {
	if f.Is(Error) || f.Is(Extended) != r.Extended || f.Is(Remote) && !r.Remote {
		return false
	}
	if r.Mask != 0 {
		return (f.ID^r.First)&r.Mask == 0
	}
	return r.First <= f.ID && f.ID <= r.Last
}
