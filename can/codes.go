package can

import "strconv"

// Verdict is the judgement on a frame's authentication, one byte in the log
// (docs/formats.md C1). The log claims no more than its text says.
type Verdict uint8

const (
	NotChecked Verdict = iota
	NotListed
	Authentic
	ChecksumOK
	Pending
	Vouched
	VouchedTwice
	Unvouched
	AuthenticUnderGuessing
	SignatureWrong
	Replayed
	PreambleWithoutMessage
	MessageWithoutPreamble
	KeyEpochUnknown
	ReplayedSession
	NotJudged
	Injected
	HeartbeatOK
	HeartbeatWrong
	SenderLostOrLeft
)

// Verdicts lists the texts of the codes in order.
var Verdicts = []string{
	"not checked", "not listed", "authentic", "checksum ok", "pending", "vouched", "vouched twice", "unvouched",
	"authentic under guessing", "signature wrong", "replayed", "preamble without message", "message without preamble",
	"key epoch unknown", "replayed session", "not judged", "injected", "heartbeat ok", "heartbeat wrong", "sender lost or left",
}

func (v Verdict) String() string {
	if int(v) < len(Verdicts) {
		return Verdicts[v]
	}
	return "reserved " + strconv.Itoa(int(v))
}

// Reason says at which place frames were lost (docs/formats.md C2, gap reasons).
type Reason uint8

const (
	LostSocket       Reason = 1 + iota // kernel socket queue
	LostInterface                      // driver or interface
	LostController                     // controller FIFO
	LostQueue                          // our own queue
	LostCut                            // tail of a cut segment
	LostDeleted                        // unsent segments deleted by policy
	LostReconfigured                   // not recorded while the configuration changed
	LostWrite                          // write error or card full
	LostProbe                          // link to a remote probe
)

// Reasons maps each code to its text; also the names of the counters in
// device.json.
var Reasons = map[Reason]string{
	LostSocket: "socket queue", LostInterface: "interface", LostController: "controller", LostQueue: "own queue",
	LostCut: "cut", LostDeleted: "forced deletion", LostReconfigured: "reconfigured", LostWrite: "write error or card full",
	LostProbe: "probe link",
}

func (r Reason) String() string {
	if s, ok := Reasons[r]; ok {
		return s
	}
	return "reserved " + strconv.Itoa(int(r))
}

// State is a state of a link, a controller, the recorder and so on. Numbers
// are unique over all kinds (docs/formats.md C2); the kind is State/10.
type State uint8

const (
	LinkMissing State = 10 + iota
	LinkUnplugged
	LinkDown
	LinkUp
	LinkDiffers
	LinkAsConfigured
)

const (
	ErrorActive State = 20 + iota
	ErrorWarning
	ErrorPassive
	BusOff
	ControllerStopped
	ControllerSleeping
	ControllerRestarted
)

const (
	RecordingStopped State = 30 + iota
	RecordingStarted
	PausedByControl
	ResumedByControl
	ResumedByLimit
)

const (
	SettingsChangedOnCard State = 40 + iota
	SettingsTrying
	SettingsSettled
	SettingsRefused
	SettingsRolledBack
)

const (
	CardOK State = 50 + iota
	CardLow
	CardFull
	CardReadOnly
	CardWriteError
	CardMissing
)

const (
	CryptOff State = 60 + iota
	CryptJoining
	CryptSynchronising
	CryptGrouped
	CryptSilent
	CryptInStep
	CryptOutOfStep
	CryptPaired
	CryptUnpaired
)

const (
	MarkByOperator State = 70 + iota
	MarkByTrigger
)

// States maps each code to its text.
var States = map[State]string{
	LinkMissing: "missing", LinkUnplugged: "unplugged", LinkDown: "down", LinkUp: "up",
	LinkDiffers: "differs from the configuration", LinkAsConfigured: "as configured",
	ErrorActive: "error active", ErrorWarning: "error warning", ErrorPassive: "error passive", BusOff: "bus-off",
	ControllerStopped: "stopped", ControllerSleeping: "sleeping", ControllerRestarted: "restarted",
	RecordingStopped: "stopped", RecordingStarted: "started", PausedByControl: "paused by control",
	ResumedByControl: "resumed by control", ResumedByLimit: "resumed by limit",
	SettingsChangedOnCard: "changed on the card", SettingsTrying: "trying", SettingsSettled: "settled",
	SettingsRefused: "refused", SettingsRolledBack: "rolled back",
	CardOK: "ok", CardLow: "low", CardFull: "full", CardReadOnly: "read-only", CardWriteError: "write error", CardMissing: "missing",
	CryptOff: "off", CryptJoining: "joining", CryptSynchronising: "synchronising", CryptGrouped: "grouped", CryptSilent: "silent",
	CryptInStep: "in step (judge)", CryptOutOfStep: "out of step (judge)", CryptPaired: "paired", CryptUnpaired: "unpaired",
	MarkByOperator: "by operator", MarkByTrigger: "by trigger",
}

// Kind returns the record kind of the state (docs/formats.md C2): 1 link,
// 2 controller, 3 recording, 4 settings, 5 card, 6 CANcrypt, 7 mark.
func (s State) Kind() uint8 { return uint8(s) / 10 }

func (s State) String() string {
	if t, ok := States[s]; ok {
		return t
	}
	return "reserved " + strconv.Itoa(int(s))
}
