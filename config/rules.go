package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The rules that need more than one value. Each speaks only where the values
// it looks at are free of problems, so that one mistake is told once.

func (w *walk) rules() {
	c := w.cfg
	w.upload(&c.Upload)
	w.ota(c)
	w.tls(&c.TLS)
	for i := range c.Buses {
		w.bus(&c.Buses[i], fmt.Sprintf("buses[%d]", i))
	}
	w.distinctBuses(c.Buses)
	w.secured(&c.Cancrypt, "cancrypt")
	w.neighbours(c)
}

// conflict notes a broken rule at a value.
func (w *walk) conflict(path, got, want, hint string) {
	node := w.nearest(path)
	if at, ok := w.places[path]; ok {
		node = at.value
	}
	w.problem(node, path, got, want, hint)
}

// require notes a setting that another one makes necessary.
func (w *walk) require(named bool, path, want, reason string) {
	if !named && w.sound(path) {
		w.problem(w.nearest(path), path, "", want, reason)
	}
}

func (w *walk) upload(u *Upload) {
	if u.AccessKey.Stored() {
		w.conflict("upload.access_key", `"stored"`, "the key, {file: PATH} or {env: NAME}", "only secret_key can be stored")
	}
	if u.Endpoint != "" {
		w.endpoint(u)
	}
	if u.Proxy != "" && !validHost(u.Proxy) {
		w.conflict("upload.proxy", quote(u.Proxy), "http://host:port", "")
	}
	if u.Mode == ModeOff || !w.sound("upload.mode") {
		return
	}
	reason := "upload.mode is " + string(u.Mode)
	w.require(u.Endpoint != "", "upload.endpoint", "the address of the store", reason)
	w.require(u.Bucket != "", "upload.bucket", "the name of the bucket", reason)
	w.require(u.AccessKey.Named(), "upload.access_key", "the key, {file: PATH} or {env: NAME}", reason)
	w.require(u.SecretKey.Named(), "upload.secret_key", "the secret, stored, {file: PATH} or {env: NAME}", reason)
}

// endpoint checks the address of the store, and that its scheme fits the mode.
func (w *walk) endpoint(u *Upload) {
	scheme := u.Mode.Row().Scheme + "://"
	switch {
	case !validHost(u.Endpoint):
		w.conflict("upload.endpoint", quote(u.Endpoint), "http://host:port or https://host:port", "")
	case u.Mode != ModeOff && w.sound("upload.mode") && !strings.HasPrefix(u.Endpoint, scheme):
		w.conflict("upload.endpoint", quote(u.Endpoint), scheme+"… as upload.mode is "+string(u.Mode), "")
	}
}

// validHost tells whether a URL has a host, and a port that can be one.
func validHost(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.Atoi(u.Port())
	return u.Port() == "" || err == nil && 0 < port && port < 1<<16
}

func (w *walk) ota(c *Config) {
	if !w.sound("ota.policy") {
		return
	}
	if c.OTA.Policy == "bucket" && c.Upload.Mode != ModeOff && !c.Upload.Mode.Row().BucketSettings && w.sound("upload.mode") {
		w.conflict("ota.policy", `"bucket"`, "off or signed in mode low", "over plain http anyone on the path could give settings")
	}
	w.require(c.OTA.Policy != "signed" || c.OTA.Signer != "", "ota.signer", "the certificate file of the signer", "ota.policy is signed")
}

func (w *walk) tls(t *TLS) {
	if t.LegacyDHE && t.Trust == "system" && w.sound("tls.trust") && w.sound("tls.legacy_dhe") {
		w.conflict("tls.legacy_dhe", "true", "false, or tls.trust: bundle", "the program openssl is given a bundle, and no roots of the machine")
	}
}

func (w *walk) bus(b *Bus, path string) {
	w.link(b, path)
	for i, f := range b.Filter {
		if f.Every != nil {
			w.every(f, fmt.Sprintf("%s.filter[%d].every", path, i))
		}
	}
	if b.Control != nil {
		w.control(b.Control, path+".control")
	}
	for i := range b.Transmit {
		w.transmit(&b.Transmit[i], fmt.Sprintf("%s.transmit[%d]", path, i))
	}
	w.role(&b.Cancrypt, path+".cancrypt")
}

// link holds the rules about the state of the interface.
func (w *walk) link(b *Bus, path string) {
	c := b.Check
	silent := c.ListenOnly != nil && *c.ListenOnly && w.sound(path+".check.listen_only")
	if silent && len(b.Transmit) > 0 {
		w.conflict(path+".transmit", entries(len(b.Transmit)), "none while check.listen_only is true", "set check.listen_only: false")
	}
	if silent && (b.Cancrypt.Role == RoleMember || b.Cancrypt.Role == RoleJudge && b.Cancrypt.GroupOnce) {
		w.conflict(path+".cancrypt.role", `"member"`, "off or judge while check.listen_only is true", "a member sends")
	}
	if c.DataBitrate != nil && c.FD != nil && !*c.FD && w.sound(path+".check") {
		w.conflict(path+".check.data_bitrate", quote(c.DataBitrate.String()), "none while fd is false", "")
	}
	if c.DataBitrate != nil && c.Bitrate != nil && *c.DataBitrate < *c.Bitrate && w.sound(path+".check") {
		w.conflict(path+".check.data_bitrate", quote(c.DataBitrate.String()), "no less than bitrate, "+c.Bitrate.String(), "")
	}
	w.require(!b.Configure || c.Bitrate != nil, path+".check.bitrate", "a bit rate", "configure sets the link from check")
	w.require(!b.Configure || c.FD == nil || !*c.FD || c.DataBitrate != nil, path+".check.data_bitrate", "a bit rate", "configure sets an FD link from check")
	w.require(!b.Configure || len(b.Transmit) == 0 || c.ListenOnly != nil, path+".check.listen_only", "false",
		"configure leaves the link in listen-only mode unless check says otherwise, and transmit sends")
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func (w *walk) every(f Filter, path string) {
	named := 0
	for _, is := range []bool{f.Every.Count != nil, f.Every.Time != nil, f.Every.Change != nil} {
		if is {
			named++
		}
	}
	switch {
	case !w.sound(path):
	case named != 1:
		w.conflict(path, fmt.Sprintf("%d of them", named), "one of count, time, change", "")
	case f.Action == "reject":
		w.conflict(path, "it with action reject", "it with action accept", "rejected frames cannot be thinned out")
	}
}

func (w *walk) control(c *Control, path string) {
	if c.StartAt <= c.StopAt && w.sound(path+".start_at", path+".stop_at") {
		w.conflict(path+".start_at", fmt.Sprint(c.StartAt), fmt.Sprintf("more than stop_at, %v", c.StopAt), "")
	}
	s, at := &c.Signal, path+".signal"
	w.single(s.Match, at+".match")
	if s.Factor == 0 && w.sound(at+".factor") {
		w.conflict(at+".factor", "0", "another number", "with 0 the signal would be constant")
	}
	end := s.StartBit + s.Length
	if s.ByteOrder == "motorola" { // which begins at its highest bit
		end = s.StartBit/8*8 + 7 - s.StartBit%8 + s.Length
	}
	if end > 512 && w.sound(at) {
		w.conflict(at+".length", strconv.Itoa(s.Length), "an end within 64 bytes (bit 511)", "")
	}
}

// single notes a range or mask where one identifier is wanted.
func (w *walk) single(m Match, path string) {
	if !m.Single() && w.has(path) {
		w.conflict(path, quote(m.String()), "one identifier", "")
	}
}

// fdLengths are the payload lengths that CAN FD has beyond 8 bytes.
var fdLengths = []int{12, 16, 20, 24, 32, 48, 64}

func (w *walk) transmit(t *Transmit, path string) {
	w.single(t.Match, path+".match")
	if !w.sound(path) {
		return
	}
	n := len(t.Data)
	switch {
	case t.FD && t.Remote:
		w.conflict(path+".remote", "true", "false with fd", "CAN FD has no remote frames")
	case t.BRS && !t.FD:
		w.conflict(path+".brs", "true", "false without fd", "")
	case n > 8 && !t.FD:
		w.conflict(path+".data", fmt.Sprintf("%d bytes", n), "at most 8 without fd", "")
	case n > 8 && !slices.Contains(fdLengths, n):
		w.conflict(path+".data", fmt.Sprintf("%d bytes", n), "0 to 8, 12, 16, 20, 24, 32, 48 or 64", "")
	}
}

// role holds what a judge or member needs.
func (w *walk) role(b *BusCancrypt, path string) {
	w.secured(&b.Cancrypt, path)
	if b.Role == RoleOff || !w.sound(path+".role") {
		return
	}
	reason := "the role is " + string(b.Role)
	w.inherited(len(b.Members) > 0, path, "members", "the addresses of the group", reason)
	w.inherited(len(b.Table) > 0, path, "table", "the secured messages", reason)
	if b.Role == RoleMember || b.GroupOnce {
		w.inherited(b.Address != 0, path, "address", "an address of the group", reason)
	}
}

// inherited requires a key that a bus or section cancrypt may name.
func (w *walk) inherited(is bool, path, key, want, reason string) {
	if w.sound("cancrypt." + key) {
		w.require(is, path+"."+key, want, reason+"; here or in section cancrypt")
	}
}

// secured holds the rules inside the settings of CANcrypt. Those that a bus
// takes from the section are judged there.
func (w *walk) secured(c *Cancrypt, path string) {
	if c.Event%(100*time.Millisecond) != 0 && w.has(path+".event") {
		w.conflict(path+".event", quote(showTime(c.Event)), "steps of 100ms", "")
	}
	if c.Signature == 0 && !c.AllowMethod0 && w.has(path+".signature") {
		w.conflict(path+".signature", "0", "1 or 2", "0 only with allow_method0: true")
	}
	for i, address := range c.Members {
		if at := fmt.Sprintf("%s.members[%d]", path, i); slices.Contains(c.Members[:i], address) && w.has(at) {
			w.conflict(at, strconv.Itoa(address), "each address once", "")
		}
	}
	for i := range c.Table {
		w.securedMessage(&c.Table[i], c.AllowMethod0, fmt.Sprintf("%s.table[%d]", path, i))
	}
	for i, h := range c.HeartbeatOnly {
		w.single(h.Match, fmt.Sprintf("%s.heartbeat_only[%d].match", path, i))
	}
}

func (w *walk) securedMessage(s *Secured, method0 bool, path string) {
	w.single(s.Match, path+".match")
	if s.Encrypt+s.EncryptFrom > 56 && w.has(path) {
		w.conflict(path+".encrypt", strconv.Itoa(s.Encrypt), "an end within 56 bytes", "")
	}
	if s.Signature == 0 && !method0 && w.has(path) {
		w.conflict(path+".signature", "0", "1 or 2", "0 only with allow_method0: true")
	}
}

// distinctBuses refuses an interface or a number that two buses share.
func (w *walk) distinctBuses(buses []Bus) {
	for i := range buses {
		for j := range i {
			a, b := fmt.Sprintf("buses[%d]", j), fmt.Sprintf("buses[%d]", i)
			if buses[i].Interface == buses[j].Interface && w.sound(a+".interface", b+".interface") {
				w.conflict(b+".interface", quote(buses[i].Interface), "another one", "it is the interface of "+a)
			}
			if buses[i].Number == buses[j].Number && w.sound(a+".number", b+".number") {
				w.conflict(b+".number", strconv.Itoa(buses[i].Number), "another one", "it is the number of "+a+"; by default a bus has its place in the list")
			}
		}
	}
}
