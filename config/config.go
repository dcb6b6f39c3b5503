package config

import (
	"time"

	"canseal/internal/mode"
)

// The structs of this file are the one table of all settings. A field's tags say
//
//	yaml     its key
//	default  its value where the file does not name it, as written in the file
//	is       what is allowed: alternatives "a|b|c", each a literal or a range
//	         "1MB..512MB" (either end may be missing)
//	like     the pattern that a text matches as a whole; want says it in words
//	want     what is wanted, in words, where kind and is do not tell enough
//	len      the number of entries of a list, as a range
//	need     "true": the file must name it
//	scope    who may change it over the air: local, signed or air
//	strong   its values from the strongest to the weakest ("more": the greater
//	         the stronger): weakening it is local whatever scope says
//
// A field without scope has that of the section around it. Everything else is
// made from this table: parsing, defaults, the JSON Schema, the check of the
// reference file, the scopes.

// Config is a configuration that holds: Parse fills it only from a file
// without problems. The order of fields is the order of reading: a bus takes
// its CANcrypt settings from section cancrypt.
type Config struct {
	Version  int      `yaml:"version" need:"true" is:"1" scope:"local"`
	Device   Device   `yaml:"device"`
	Log      Log      `yaml:"log"`
	Upload   Upload   `yaml:"upload" need:"true"`
	TLS      TLS      `yaml:"tls" scope:"signed"`
	OTA      OTA      `yaml:"ota" scope:"local"`
	Cancrypt Cancrypt `yaml:"cancrypt" scope:"local"`
	Link     Link     `yaml:"link" scope:"local"`
	Buses    []Bus    `yaml:"buses" need:"true" len:"1..8" scope:"signed"`

	settings []Setting
}

// Device is what identifies the appliance.
type Device struct {
	ID        string `yaml:"id" like:"[0-9A-Fa-f]{8}" want:"8 hex digits" scope:"local"` // upper case; "" = from the hardware
	Meta      string `yaml:"meta" like:"[a-zA-Z0-9; ]{1,30}" want:"at most 30 of letters, digits, blanks and ;" scope:"signed"`
	AliveFile string `yaml:"alive_file" like:"/[^\\x00-\\x1f]+" want:"an absolute path" scope:"local"`
}

// Log is what the recorder does.
type Log struct {
	SplitSize   ByteSize      `yaml:"split_size" default:"32MB" is:"1MB..512MB" scope:"air"`
	SplitTime   time.Duration `yaml:"split_time" default:"0s" is:"0s|10s..24h" scope:"air"` // 0 = off
	SplitOffset time.Duration `yaml:"split_offset" default:"0s" is:"0s..24h" scope:"air"`
	Flush       time.Duration `yaml:"flush" default:"1s" is:"100ms..10s" scope:"air"`
	Compress    bool          `yaml:"compress" default:"true" scope:"signed"`
	KeepFree    Reserve       `yaml:"keep_free" default:"5%" scope:"signed"`
	Unsent      string        `yaml:"unsent" default:"delete_oldest" is:"delete_oldest|keep" scope:"local"`
	ErrorFrames bool          `yaml:"error_frames" default:"true" scope:"signed"`
	Level       string        `yaml:"level" default:"info" is:"error|warn|info|debug" scope:"air"`
}

// Bus is one CAN interface.
type Bus struct {
	Interface     string      `yaml:"interface" need:"true" like:"[A-Za-z0-9_.-]{1,15}|probe:[A-Za-z0-9_-]{1,32}" want:"the name of a network interface, such as can0, or probe:NAME"`
	Number        int         `yaml:"number" is:"1..8"` // default: its place in the list
	Check         Check       `yaml:"check"`
	Configure     bool        `yaml:"configure" default:"false" scope:"local"`
	ReceiveBuffer ByteSize    `yaml:"receive_buffer" default:"16MiB" is:"256KiB..64MiB" scope:"local"`
	Filter        []Filter    `yaml:"filter" len:"1..256"` // nil = everything
	Control       *Control    `yaml:"control"`
	Transmit      []Transmit  `yaml:"transmit" len:"1..256" scope:"local"`
	Cancrypt      BusCancrypt `yaml:"cancrypt" scope:"local"`
}

// Check is what the link is compared with; what is nil is not compared.
type Check struct {
	Bitrate     *BitRate       `yaml:"bitrate" is:"5k..1M"`
	DataBitrate *BitRate       `yaml:"data_bitrate" is:"5k..15M"`
	FD          *bool          `yaml:"fd"`
	Restart     *time.Duration `yaml:"restart" is:"0s|1ms..1h"`
	ListenOnly  *bool          `yaml:"listen_only" strong:"true false"`
}

// Filter is one rule for received frames; the first that matches decides, and
// a frame that none matches is left out.
type Filter struct {
	Match  Match  `yaml:"match" need:"true"`
	Action string `yaml:"action" need:"true" is:"accept|reject"`
	Remote bool   `yaml:"remote" default:"true"` // whether remote frames match too
	Every  *Every `yaml:"every"`
}

// Every thins accepted frames out, per identifier; one of its fields is set.
type Every struct {
	Count  *int           `yaml:"count" is:"1..1000000"`                // one frame of so many
	Time   *time.Duration `yaml:"time" is:"1ms..24h"`                   // at most one frame in so long
	Change Payload        `yaml:"change" like:"([0-9A-Fa-f]{2}){1,64}"` // only when a payload bit under the mask changed
}

// Control pauses and resumes recording by the value of a signal.
type Control struct {
	Signal     Signal        `yaml:"signal" need:"true"`
	StartAt    float64       `yaml:"start_at" need:"true"`
	StopAt     float64       `yaml:"stop_at" need:"true"`
	PreTrigger time.Duration `yaml:"pre_trigger" default:"0s" is:"0s..60s"`
	MaxPause   time.Duration `yaml:"max_pause" default:"0s" is:"0s|1s..30d"` // 0 = no limit
	Authentic  bool          `yaml:"authentic" default:"false"`
	Pin        bool          `yaml:"pin" default:"false"`
}

// Signal is a number inside the payload of one message.
type Signal struct {
	Match     Match   `yaml:"match" need:"true"`
	StartBit  int     `yaml:"start_bit" need:"true" is:"0..511"` // numbered as in a DBC file
	Length    int     `yaml:"length" need:"true" is:"1..64"`     // bits
	ByteOrder string  `yaml:"byte_order" default:"intel" is:"intel|motorola"`
	Signed    bool    `yaml:"signed" default:"false"`
	Factor    float64 `yaml:"factor" default:"1"`
	Offset    float64 `yaml:"offset" default:"0"`
}

// Transmit is a frame that canseal sends.
type Transmit struct {
	Match  Match         `yaml:"match" need:"true"`
	Data   Payload       `yaml:"data"`
	Period time.Duration `yaml:"period" default:"0s" is:"0s|1ms..24h"` // 0 = once
	Delay  time.Duration `yaml:"delay" default:"0s" is:"0s..24h"`
	FD     bool          `yaml:"fd" default:"false"`
	BRS    bool          `yaml:"brs" default:"false"`
	Remote bool          `yaml:"remote" default:"false"` // Data then gives only the length asked for
	Log    bool          `yaml:"log" default:"true"`
}

// Upload is the way to the bucket.
type Upload struct {
	Mode      Mode          `yaml:"mode" need:"true" default:"medium" is:"off|low|medium|high" scope:"signed" strong:"high medium low off"`
	Endpoint  string        `yaml:"endpoint" like:"https?://[^\\s/?#@]{1,120}/?" want:"http://host:port or https://host:port" scope:"signed"`
	Bucket    string        `yaml:"bucket" like:"[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]" want:"a bucket name of 3 to 63 letters, digits, dots and hyphens" scope:"signed"`
	Region    string        `yaml:"region" default:"us-east-1" like:"[a-zA-Z0-9-]{1,32}" want:"a region such as us-east-1" scope:"signed"`
	Prefix    string        `yaml:"prefix" like:"[a-zA-Z0-9_-][a-zA-Z0-9._-]*(/[a-zA-Z0-9_-][a-zA-Z0-9._-]*)*" want:"names of letters, digits, . _ - with / between them" scope:"signed"`
	PathStyle bool          `yaml:"path_style" default:"true" scope:"signed"`
	AccessKey Secret        `yaml:"access_key" want:"the key, {file: PATH} or {env: NAME}" scope:"local"`
	SecretKey Secret        `yaml:"secret_key" want:"the secret, stored, {file: PATH} or {env: NAME}" scope:"local"`
	Heartbeat time.Duration `yaml:"heartbeat" default:"300s" is:"1m..24h" scope:"air"`
	Order     string        `yaml:"order" default:"oldest" is:"oldest|newest|mixed" scope:"air"`
	Bandwidth ByteSize      `yaml:"bandwidth" default:"0kB" is:"0kB|1KiB.." scope:"air"` // per second, 0 = no limit
	Workers   int           `yaml:"workers" default:"1" is:"1..4" scope:"air"`
	Stall     time.Duration `yaml:"stall" default:"60s" is:"1s..1h" scope:"local"`
	Proxy     string        `yaml:"proxy" like:"http://[^\\s/?#@]{1,120}/?" want:"http://host:port" scope:"local"`
	Quirks    Quirks        `yaml:"quirks" scope:"local"`
}

// Quirks says what the store can do, where finding out is not wanted.
type Quirks struct {
	IfNoneMatch       string `yaml:"if_none_match" default:"auto" is:"auto|on|off"`
	Checksum          string `yaml:"checksum" default:"auto" is:"auto|sha256|crc32c|md5"`
	MultipartChecksum string `yaml:"multipart_checksum" default:"auto" is:"auto|sha256|etag_only"`
}

// TLS is whom the appliance trusts, and how it talks.
type TLS struct {
	Profile              string        `yaml:"profile" default:"modern" is:"modern|compat|canedge" strong:"modern compat canedge"`
	Trust                string        `yaml:"trust" default:"bundle" is:"bundle|system" strong:"bundle system"`
	MinRSABits           int           `yaml:"min_rsa_bits" default:"2048" is:"1024..4096" strong:"more"`
	PinSHA256            []string      `yaml:"pin_sha256" like:"[A-Za-z0-9+/]{43}=" want:"the SHA-256 of a public key (SPKI) in base64" len:"0|2..16" scope:"local"`
	DuplicateIssuer      string        `yaml:"duplicate_issuer" default:"refuse" is:"refuse|warn" strong:"refuse warn"`
	AllowCNForPinnedLeaf bool          `yaml:"allow_cn_for_pinned_leaf" default:"false" strong:"false true"`
	ResetMeansNoSuite    bool          `yaml:"reset_means_no_suite" default:"false" strong:"false true"`
	ClockBootstrap       bool          `yaml:"clock_bootstrap" default:"false" strong:"false true"`
	LegacyDHE            bool          `yaml:"legacy_dhe" default:"false" strong:"false true"`
	OpenSSL              string        `yaml:"openssl" like:"/[^\\x00-\\x1f]+" want:"an absolute path" scope:"local"`
	RenewBefore          time.Duration `yaml:"renew_before" default:"30d" is:"1h..365d" scope:"air"`
}

// OTA is who may change settings over the air.
type OTA struct {
	Policy string        `yaml:"policy" default:"off" is:"off|signed|bucket"`
	Every  time.Duration `yaml:"every" default:"600s" is:"1m..24h" scope:"air"`
	Signer string        `yaml:"signer" like:"[^\\x00-\\x1f]+" want:"the path of a certificate file"`
	Card   string        `yaml:"card" default:"trusted" is:"trusted|signed"`
	Fleet  string        `yaml:"fleet" like:"[A-Za-z0-9._-]{1,64}" want:"at most 64 of letters, digits, . _ -"`
}

// Cancrypt is how messages are authenticated, on the buses that have a role.
type Cancrypt struct {
	Profile       string          `yaml:"profile" default:"p1" is:"p1|p1fd"` // p1fd: CANcrypt FD
	Level         string          `yaml:"level" default:"L2" is:"L1|L2|L3|L4"`
	Key           int             `yaml:"key" default:"3" is:"1..6"`        // slot of the group key
	Address       int             `yaml:"address" default:"0" is:"0..254"`  // of a member, 0 = none; above 15 only with CANcrypt FD
	Members       []int           `yaml:"members" is:"1..254" len:"0..254"` // addresses; above 15 only with CANcrypt FD
	Event         time.Duration   `yaml:"event" default:"1s" is:"100ms..25500ms"`
	Inhibit       time.Duration   `yaml:"inhibit" default:"250ms" is:"10ms..25500ms"`
	Signature     int             `yaml:"signature" default:"1" is:"0..2"`
	Pad           string          `yaml:"pad" default:"speck" is:"speck|aes128|aes256"`
	Extra         string          `yaml:"extra" default:"none" is:"none|heartbeats"`
	GroupOnce     bool            `yaml:"group_once" default:"false"`
	Table         []Secured       `yaml:"table" len:"0..256"`
	HeartbeatOnly []HeartbeatOnly `yaml:"heartbeat_only" len:"0..256"`
	AllowMethod0  bool            `yaml:"allow_method0" default:"false"`
	LogPlaintext  bool            `yaml:"log_plaintext" default:"false"`
}

// BusCancrypt is the part that a bus plays, with section cancrypt as its
// defaults.
type BusCancrypt struct {
	Role     Role `yaml:"role" default:"off" is:"off|judge|member"`
	Cancrypt      // effective values: the bus's own key, else that of the section
}

// Secured is one message of the secure message table.
type Secured struct {
	Match       Match  `yaml:"match" need:"true"`
	Producer    int    `yaml:"producer" need:"true" is:"0..254"`
	Scope       string `yaml:"scope" default:"group" is:"group|pairing"`
	Encrypt     int    `yaml:"encrypt" default:"0" is:"0..56"` // bytes
	EncryptFrom int    `yaml:"encrypt_from" default:"0" is:"0..55"`
	Cipher      string `yaml:"cipher" default:"pad" is:"pad|aes"`
	Signature   int    `yaml:"signature" default:"1" is:"0..2"`
}

// HeartbeatOnly is a message that is vouched for by its sender's heartbeats.
type HeartbeatOnly struct {
	Match    Match `yaml:"match" need:"true"`
	Producer int   `yaml:"producer" need:"true" is:"0..254"`
	Deliver  int   `yaml:"deliver" default:"2" is:"0..2"` // after so many heartbeats
}

// Mode is the security of the way to the bucket.
type Mode string

const (
	ModeOff    Mode = "off"    // nothing is uploaded
	ModeLow    Mode = "low"    // http, signed requests
	ModeMedium Mode = "medium" // https, the server is verified
	ModeHigh   Mode = "high"   // https, and the server verifies the device
)

// Row is what the mode requires, refuses and may claim; ModeOff has none.
func (m Mode) Row() mode.Row {
	row, _ := mode.Of(string(m))
	return row
}

// Profiles of CANcrypt.
const (
	Profile   = "p1"   // on classical CAN
	ProfileFD = "p1fd" // on CAN FD
)

// Role is what canseal does with CANcrypt on a bus.
type Role string

const (
	RoleOff    Role = "off"
	RoleJudge  Role = "judge"  // checks, never sends
	RoleMember Role = "member" // is one of the group
)
