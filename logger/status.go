package logger

import (
	"time"

	"canseal/can"
)

// Status is what device.json says about recording (docs/formats.md C7).
type Status struct {
	Log   LogStatus   `json:"log"`
	Buses []BusStatus `json:"buses"`
	// Cancrypt is the section of that name: the judged buses.
	Cancrypt []CryptStatus `json:"cancrypt"`
	// PlainDeleted counts segments deleted that were sent without proof; it
	// belongs to the section upload.
	PlainDeleted int `json:"-"`
}

// LogStatus is the section log. Counters are of this run.
type LogStatus struct {
	Session     uint32  `json:"session"`
	Split       uint32  `json:"split"`
	State       string  `json:"state"` // recording, paused, stopped
	Frames      uint64  `json:"frames"`
	Bytes       int64   `json:"bytes"`
	OpenBytes   int64   `json:"open_bytes"`
	Lost        Lost    `json:"lost"`
	LostAtLeast bool    `json:"lost_at_least"` // some of Lost are lower bounds
	LeftOut     LeftOut `json:"left_out"`
	// LeftOutAtLeast: the kernel filters, and its counters do not tell how much.
	LeftOutAtLeast bool          `json:"left_out_at_least,omitempty"`
	Card           CardStatus    `json:"card"`
	Segments       SegmentStatus `json:"segments"`
	Seal           SealStatus    `json:"seal"`
}

// Lost counts frames by the place that lost them. A loss of unknown size
// counts as one.
type Lost struct {
	Socket       uint64 `json:"socket"`
	Interface    uint64 `json:"interface"`
	Controller   uint64 `json:"controller"`
	Queue        uint64 `json:"queue"`
	Cut          uint64 `json:"cut"`
	Deleted      uint64 `json:"deleted"`
	Reconfigured uint64 `json:"reconfigured"`
	Write        uint64 `json:"write"`
	Probe        uint64 `json:"probe,omitempty"` // link to a remote probe
}

// Sum is the number of frames lost anywhere.
func (l Lost) Sum() uint64 {
	return l.Socket + l.Interface + l.Controller + l.Queue + l.Cut + l.Deleted + l.Reconfigured + l.Write + l.Probe
}

func lostOf(by *[reasons]uint64) Lost {
	return Lost{
		Socket: by[can.LostSocket], Interface: by[can.LostInterface], Controller: by[can.LostController],
		Queue: by[can.LostQueue], Cut: by[can.LostCut], Deleted: by[can.LostDeleted],
		Reconfigured: by[can.LostReconfigured], Write: by[can.LostWrite], Probe: by[can.LostProbe],
	}
}

// LeftOut counts frames that the configuration leaves out; they are no loss.
type LeftOut struct {
	Filter    uint64 `json:"filter"`
	Prescaler uint64 `json:"prescaler"`
	Control   uint64 `json:"control"`
}

// CardStatus is the card as the recorder sees it.
type CardStatus struct {
	State   string `json:"state"`
	Total   int64  `json:"total_bytes"`
	Free    int64  `json:"free_bytes"`
	Reserve int64  `json:"reserve_bytes"`
	Written int64  `json:"written_bytes"`       // by this run
	FullIn  int64  `json:"full_in_s,omitempty"` // at the rate of this run; absent: unknown
}

// SegmentStatus counts the segments on the card.
type SegmentStatus struct {
	Raw         int    `json:"raw"`
	Unsent      int    `json:"unsent"`
	UnsentBytes int64  `json:"unsent_bytes"`
	SentTLS     int    `json:"sent_tls"`
	SentPlain   int    `json:"sent_plain"`
	Pinned      int    `json:"pinned"`
	Foreign     int    `json:"foreign"`
	Oldest      string `json:"oldest,omitempty"` // start of the oldest unsent one, RFC 3339
}

// SealStatus is the end of the chain of seal records.
type SealStatus struct {
	Head    string `json:"head"`
	Lines   uint64 `json:"lines"`
	Dropped uint64 `json:"dropped"`
	Signed  bool   `json:"signed"` // lines are signed at present
}

// BusStatus is one entry of the section buses.
type BusStatus struct {
	Number         uint8    `json:"number"`
	Interface      string   `json:"interface"`
	Link           string   `json:"link,omitempty"`
	Controller     string   `json:"controller,omitempty"`
	Bitrate        uint32   `json:"bitrate,omitempty"`
	DataBitrate    uint32   `json:"data_bitrate,omitempty"`
	ListenOnly     bool     `json:"listen_only"`
	FD             bool     `json:"fd"`
	Differs        []string `json:"differs,omitempty"`
	Problem        string   `json:"problem,omitempty"`
	Stamps         string   `json:"stamps,omitempty"`
	ReceiveBuffer  int      `json:"receive_buffer_bytes,omitempty"`
	Frames         uint64   `json:"frames"`
	Errors         uint64   `json:"errors"`
	Sent           uint64   `json:"sent"`
	OtherTx        uint64   `json:"other_tx"`
	Lost           Lost     `json:"lost"`
	LeftOut        uint64   `json:"left_out"`
	LeftOutAtLeast bool     `json:"left_out_at_least,omitempty"`
	LastFrame      string   `json:"last_frame,omitempty"` // RFC 3339
	Recording      string   `json:"recording"`            // as log.state
	Role           string   `json:"role,omitempty"`
}

// Status is a snapshot; it does not wait for the card.
func (l *Logger) Status() Status {
	l.mu.Lock()
	s := l.snap
	l.mu.Unlock()
	v := l.keep.view()
	links := l.o.Links()
	status := Status{Log: logStatus(&s, &v), Buses: l.busStatus(&s, links), Cancrypt: s.crypt, PlainDeleted: v.PlainDeleted}
	for _, link := range links {
		status.Log.LeftOut.Filter += link.Filtered
		status.Log.LeftOutAtLeast = status.Log.LeftOutAtLeast || link.FilteredUnknown
	}
	return status
}

func logStatus(s *snapshot, v *keeperView) LogStatus {
	c := &s.counts
	written := c.sealed + s.openBytes
	return LogStatus{
		Session: s.session, Split: s.split, State: s.state, Frames: c.frames - c.lost[can.LostWrite], Bytes: written, OpenBytes: s.openBytes,
		Lost: lostOf(&c.lost), LostAtLeast: c.atLeast, LeftOut: c.leftOut, Segments: v.Segments, Seal: v.Seal,
		Card: CardStatus{
			State: s.card.String(), Total: v.Space.Total, Free: v.Space.Free, Reserve: v.Reserve, Written: written + v.Pressed,
			FullIn: fullIn(v.Space.Free-v.Reserve, written-v.Saved, time.Since(s.since)),
		},
	}
}

// fullIn is the time in seconds until room is used up at the rate so far; 0:
// unknown.
func fullIn(room, written int64, in time.Duration) int64 {
	if room <= 0 || written <= 0 || in < time.Minute {
		return 0
	}
	return int64(float64(room) / float64(written) * in.Seconds())
}

func (l *Logger) busStatus(s *snapshot, list []Link) []BusStatus {
	links := make(map[uint8]Link)
	for _, link := range list {
		links[link.Number] = link
	}
	out := make([]BusStatus, 0, len(l.o.Buses))
	for _, bus := range l.o.Buses {
		b := statusOf(&s.counts.bus[bus.Number%buses], links[bus.Number])
		b.Number, b.Interface, b.Role, b.Recording = bus.Number, bus.Interface, bus.Role, s.state
		if s.state != "stopped" {
			b.Recording = stateText(s.paused[bus.Number%buses])
		}
		out = append(out, b)
	}
	return out
}

func statusOf(c *busCounts, link Link) BusStatus {
	b := BusStatus{
		Bitrate: link.Bitrate, DataBitrate: link.DataBitrate, ListenOnly: link.ListenOnly, FD: link.FD,
		Differs: link.Differs, Problem: link.Problem, Stamps: link.Stamps, ReceiveBuffer: link.ReceiveBuffer,
		Frames: c.frames - c.lost[can.LostWrite], Errors: c.errors, Sent: c.sent + link.Unlogged, OtherTx: c.otherTx, Lost: lostOf(&c.lost), LeftOut: c.leftOut + link.LeftOut + link.Filtered, LeftOutAtLeast: link.FilteredUnknown,
	}
	if link.State != 0 {
		b.Link = link.State.String()
	}
	if link.Controller != 0 {
		b.Controller = link.Controller.String()
	}
	if c.last != 0 {
		b.LastFrame = moment(c.last).Format(time.RFC3339Nano)
	}
	return b
}
