package buslog

import (
	"fmt"
	"strings"

	"canseal/mdf"
)

// stage is what the records of a group are.
type stage uint8

const (
	stageRaw stage = iota
	stageData
	stageRemote
	stageError
	stageSide
	stageVLSD // payloads of another group of the same data group
)

// frameStages are the channels that ASAM names for frames.
var frameStages = map[string]stage{
	"CAN_DataFrame": stageData, "CAN_RemoteFrame": stageRemote, "CAN_ErrorFrame": stageError,
}

// group is a channel group: what its records are and where their values stand.
type group struct {
	at    int64
	name  string
	stage stage
	rid   uint64
	rank  int    // order among records of equal time
	size  int    // bytes of a record without its id
	need  int    // bytes of a record with its id
	plain bool   // records stand alone, and have a time of their own
	count uint64 // of records, as the group says; 0: unknown
	time  clock
	frame frame

	payload *group // of a VLSD group: the one whose payloads these are
}

// dataGroup is a DG block: groups that share one flow of records.
type dataGroup struct {
	at     int64
	ridLen int
	data   int64 // address of DT, DL, HL or DZ; 0: no records
	groups []*group
	index  [256]*group // by record ids of one byte
	byID   map[uint64]*group
}

// of returns the group of a record id, nil if there is none.
func (d *dataGroup) of(rid uint64) *group {
	if d.ridLen <= 1 {
		return d.index[uint8(rid)]
	}
	return d.byID[rid]
}

// layout reads all data groups.
func (f *File) layout(at int64) error {
	total := 0
	for seen := map[int64]bool{}; at != 0 && !seen[at]; {
		seen[at] = true
		dg, err := f.block(at, "DG", 4, 1)
		if err != nil {
			f.wrong = append(f.wrong, Damage{Offset: at, Err: err})
			return nil // what was linked from here is lost
		}
		d := &dataGroup{at: at, ridLen: int(dg.u8(0)), data: dg.links[2], byID: map[uint64]*group{}}
		f.channelGroups(d, dg.links[1], &total)
		f.groups = append(f.groups, d)
		at = dg.links[0]
	}
	if total > maxGroups {
		return corrupt(idSize, fmt.Sprintf("at most %d channel groups", maxGroups), "more")
	}
	return nil
}

// channelGroups reads the groups of a data group; one that makes no sense is
// noted, and those behind it are read all the same.
func (f *File) channelGroups(d *dataGroup, at int64, total *int) {
	vlsd := map[int64]*group{} // frames waiting for a VLSD group, by its address
	for seen := map[int64]bool{}; at != 0 && !seen[at]; {
		seen[at] = true
		if *total++; *total > maxGroups {
			return
		}
		cg, err := f.block(at, "CG", 6, 32)
		if err != nil {
			f.wrong = append(f.wrong, Damage{Offset: at, Err: err})
			return
		}
		if g, err := f.channelGroup(cg, len(d.groups), vlsd); err != nil {
			f.wrong = append(f.wrong, Damage{Offset: at, Err: err})
		} else {
			d.add(g)
		}
		at = cg.links[0]
	}
	for _, g := range d.groups {
		if g.stage == stageVLSD {
			g.payload = vlsd[g.at]
		}
	}
}

func (d *dataGroup) add(g *group) {
	if d.of(g.rid) != nil {
		return // the first of an id counts
	}
	g.need = d.ridLen + g.size
	g.plain = g.stage != stageVLSD && g.frame.payloads.kind <= inRecord && g.time.form != counted && g.size > 0
	d.groups = append(d.groups, g)
	d.byID[g.rid] = g
	if g.rid < 256 {
		d.index[g.rid] = g
	}
}

// channelGroup reads a CG block and its channels.
func (f *File) channelGroup(cg *block, rank int, vlsd map[int64]*group) (*group, error) {
	g := &group{at: cg.at, rid: cg.u64(0), count: cg.u64(8), name: f.text(cg.links[2])}
	if cg.u16(16)&1 != 0 {
		g.stage = stageVLSD
		return g, nil
	}
	size := uint64(cg.u32(24)) + uint64(cg.u32(28))
	if size > maxRecord {
		return nil, corrupt(cg.at+48, fmt.Sprintf("records of at most %d bytes", maxRecord), "%d", size)
	}
	g.size = int(size)
	if f.header.Ours {
		g.rank = int(g.rid)
	}
	channels, err := f.channels(cg.links[1], int(cg.u32(24)))
	if err != nil {
		return nil, err
	}
	if g.name == "" {
		g.name = firstName(channels)
	}
	if err := f.interpret(g, channels); err != nil {
		return nil, err
	}
	if g.frame.payloads.kind == inGroup {
		vlsd[g.frame.payloads.at] = g
	}
	return g, nil
}

// interpret decides what the records of a group are.
func (f *File) interpret(g *group, channels []channel) error {
	g.time = clockOf(channels)
	if f.header.Ours && strings.HasPrefix(g.name, "CANseal_") {
		if f.handled && g.size != mdf.SideSize(g.name) {
			return nil
		}
		g.stage = stageSide
		if want := mdf.SideSize(g.name); want > g.size {
			return corrupt(g.at, fmt.Sprintf("records of %d bytes of %s", want, g.name), "%d", g.size)
		}
		return nil
	}
	for _, c := range channels {
		if s := frameStages[c.name]; s != 0 && c.member == "" && (s == stageError || hasMember(channels, c.name, "ID")) {
			g.stage = s
			return f.frameOf(g, c.name, channels)
		}
	}
	return nil
}

func hasMember(channels []channel, owner, member string) bool {
	for i := range channels {
		if channels[i].name == owner && channels[i].member == member {
			return true
		}
	}
	return false
}

func firstName(channels []channel) string {
	for _, c := range channels {
		if c.kind != master && c.kind != virtualMaster {
			return c.name
		}
	}
	return ""
}
