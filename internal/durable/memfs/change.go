package memfs

// change is one change of entries: add under name in folder, in place of drop;
// and for a rename, old in from is taken away.
type change struct {
	folder *node
	name   string
	add    *node // nil: the entry goes
	drop   *node // what the name stood for before
	from   *node // nil: no rename
	old    string
}

func (c change) touches(folders map[*node]bool) bool {
	return folders[c.folder] || c.from != nil && folders[c.from]
}

// apply does the change to a view of the entries. A rename done half leaves both
// names.
func (c change) apply(view func(*node) map[string]*node, half bool) {
	if c.add == nil {
		delete(view(c.folder), c.name)
	} else {
		view(c.folder)[c.name] = c.add
	}
	if c.from != nil && !half {
		delete(view(c.from), c.old)
	}
}

// change does a change now, and notes it until its folder is synced.
func (f *FS) change(c change) {
	c.apply(func(n *node) map[string]*node { return n.entries }, false)
	f.pending = append(f.pending, c)
	if c.add != nil && c.from == nil {
		c.add.links++
	}
	if c.drop != nil {
		f.unlink(c.drop)
	}
}

// unlink takes a name from a node. Clusters are free then, whoever else stands
// for them.
func (f *FS) unlink(n *node) {
	n.links--
	if n.folder() {
		return
	}
	f.trash.keep(n.data)
	if n.links == 0 {
		f.used -= int64(len(n.data))
		return
	}
	for i := range n.data {
		n.data[i] = 0xDB
	}
	n.sync()
}

// commit makes the changes of a folder survive. A rename out of or into another
// folder survives with all that was done there before it.
func (f *FS) commit(folder *node) {
	folders := map[*node]bool{folder: true}
	survive := make([]bool, len(f.pending))
	for i := len(f.pending) - 1; i >= 0; i-- {
		c := f.pending[i]
		if !c.touches(folders) {
			continue
		}
		survive[i] = true
		folders[c.folder] = true
		if c.from != nil {
			folders[c.from] = true
		}
	}
	var rest []change
	for i, c := range f.pending {
		if survive[i] {
			c.apply(func(n *node) map[string]*node { return n.synced }, false)
		} else {
			rest = append(rest, c)
		}
	}
	f.pending = rest
}

// Settle makes everything survive, and begins to count operations anew: a test's
// state before its work.
func (f *FS) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.pending {
		c.apply(func(n *node) map[string]*node { return n.synced }, false)
	}
	f.pending, f.ops = nil, 0
	f.root.settle()
}

func (n *node) settle() {
	n.sync()
	for _, child := range n.entries {
		child.settle()
	}
}
