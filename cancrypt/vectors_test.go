package cancrypt

import (
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"
)

// vector is one case; numbers and bytes stand as the file's meta.conventions say.
type vector struct {
	Key, Pt, Ct, Init, Data, Crc   string
	Perm, Dyn                      string
	Epoch, Seq, Rot, Ctx, Sender   int
	Purpose                        string
	Blocks                         []string
	CanID                          string `json:"can_id"`
	Ext                            bool
	DataPlain                      string `json:"data_plain"`
	EncFirst                       int    `json:"enc_first"`
	EncCount                       int    `json:"enc_count"`
	SignedBytes                    string `json:"signed_bytes"`
	CrcInit                        string `json:"crc_init"`
	Sig0                           string `json:"preamble_sig0_crc_xor"`
	Sig1                           string `json:"preamble_sig1_speckmac"`
	Epilog0                        string `json:"epilog_sig0_crc_xor"`
	Epilog1                        string `json:"epilog_sig1_speckmac"`
	MacFull                        string `json:"mac_full"`
	MacInput                       string `json:"mac_input"`
	MacKey                         string `json:"mac_key"`
	DataFrame                      string `json:"data_frame"`
	Mk                             string
	Messages                       []vector
	Preamble, Epilog               string
	Method                         int
	PadCipher                      int `json:"pad_cipher"`
	Extra                          string
	Status, Random, Hk, Chk, Frame string
	Participants                   []vector
	Addr                           int
	NewDyn                         string `json:"new_dyn"`
	NewEpoch                       int    `json:"new_epoch"`
	Bits                           string `json:"bits_in_order"`
	KeyID                          int    `json:"key_id"`
	Device                         int
	NonceC                         string `json:"nonce_c"`
	NonceD                         string `json:"nonce_d"`
	Serial, Dyn0, Nonce            string
	ProofC                         string `json:"proof_configurator"`
	ProofD                         string `json:"proof_device"`
	Members, Heartbeats            []vector
	RandomFill                     string `json:"random_fill"`
	AESKey                         string `json:"aes_key"`
	BlockPlain                     string `json:"block_plain"`
	Frame1                         string `json:"frame1_data"`
	Frame2                         string `json:"frame2_data"`
	Records                        []string
	TableWithCRC                   string `json:"table_with_crc"`
	Enc                            int
	PadCount                       int    `json:"pad_count"`
	PadKey                         string `json:"pad_key"`
	Mask, Tag                      string
	BlocksSpeck                    []string `json:"blocks_speck"`
	BlocksAES128                   []string `json:"blocks_aes128"`
	BlocksAES256                   []string `json:"blocks_aes256"`
}

func raw(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func fixed[A [2]byte | [3]byte | [4]byte | [5]byte | [8]byte | [16]byte | Key](s string) (a A) {
	if s == "" {
		return a
	}
	b := raw(s)
	switch p := any(&a).(type) {
	case *[2]byte:
		*p = [2]byte(b)
	case *[3]byte:
		*p = [3]byte(b)
	case *[4]byte:
		copy(p[:], b)
	case *[5]byte:
		*p = [5]byte(b)
	case *[8]byte:
		copy(p[:], b)
	case *[16]byte:
		*p = [16]byte(b)
	case *Key:
		*p = Key(b)
	}
	return a
}

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		panic(err)
	}
	return n
}

func (v *vector) epoch() Epoch {
	perm := fixed[Key](v.Perm)
	return Epoch{Perm: perm, Dyn: fixed[Key](v.Dyn), Number: uint16(v.Epoch), Mask: ExtraMask(perm, raw(v.Extra))}
}

func (v *vector) at() Place {
	return Place{Context: uint8(v.Ctx), Sender: uint8(v.Sender), Seq: uint16(v.Seq)}
}

func (v *vector) word() Word {
	w := Word(number(v.CanID))
	if v.Ext {
		w |= Extended
	}
	return w
}

func (v *vector) message(method Signature) Message {
	b := raw(v.DataPlain)
	m := Message{Record: Record{Word: v.word(), First: uint8(v.EncFirst), Count: uint8(v.EncCount), Signature: method}, Len: uint8(len(b))}
	copy(m.Data[:], b)
	return m
}

func (v *vector) heard() []Heard {
	var out []Heard
	for _, m := range append(append(v.Participants, v.Members...), v.Heartbeats...) {
		h := Heard{Address: uint8(m.Addr), Random: fixed[[4]byte](m.Random + m.Nonce)}
		if m.Status != "" {
			h.Status = Status(number(m.Status))
		}
		out = append(out, h)
	}
	return ascending(out)
}

func suite(t testing.TB, p PadCipher, s Signature) *Suite {
	t.Helper()
	out, err := NewSuite(NewMethods(p, s))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s: got %x, want %s", what, got, want)
	}
}

// checks holds the test of each group of the vector file.
var checks = map[string]func(t *testing.T, v *vector){
	"crc16_1021": func(t *testing.T, v *vector) {
		if got := crc16(uint16(number(v.Init)), raw(v.Data)); uint64(got) != number(v.Crc) {
			t.Errorf("got %04x, want %s", got, v.Crc)
		}
	},
	"speck64_128": func(t *testing.T, v *vector) {
		var s speck64
		key := fixed[Key](v.Key)
		s.expand(&key)
		same(t, "block", binary.LittleEndian.AppendUint64(nil, s.encrypt(binary.LittleEndian.Uint64(raw(v.Pt)))), v.Ct)
	},
	"speck32_64": func(t *testing.T, v *vector) {
		var s speck32
		key := fixed[[8]byte](v.Key)
		s.expand(&key)
		c := s.encrypt(fixed[[4]byte](v.Pt))
		same(t, "block", c[:], v.Ct)
		p := s.decrypt(c)
		same(t, "decrypted", p[:], v.Pt)
	},
	"aes128": checkAES, "aes256": checkAES,
	"mixkey": func(t *testing.T, v *vector) {
		e := v.epoch()
		if got := e.rotation(uint16(v.Seq)); got != uint(v.Rot) {
			t.Errorf("rotation %d, want %d", got, v.Rot)
		}
		mk := e.mixed(uint16(v.Seq), 0)
		same(t, "mixed key", mk[:], v.Mk)
	},
	"one_time_pad": func(t *testing.T, v *vector) { checkPad(t, v, PadSpeck, v.Blocks) },
	"pad_aes128":   func(t *testing.T, v *vector) { checkPad(t, v, PadAES128, v.Blocks) },
	"pad_aes256":   func(t *testing.T, v *vector) { checkPad(t, v, PadAES256, v.Blocks) },
	"extra_inputs": func(t *testing.T, v *vector) {
		if len(v.Heartbeats) > 0 {
			same(t, "extra", HeartbeatExtra(nil, v.heard()), v.Extra)
		}
		e := v.epoch()
		same(t, "mask", e.Mask[:], v.Mask)
		mk := suite(t, PadSpeck, SpeckMAC).start(&e, v.at(), true)
		same(t, "mixed key", mk[:], v.Mk)
		v.Purpose = "01"
		checkPad(t, v, PadSpeck, v.BlocksSpeck)
		checkPad(t, v, PadAES128, v.BlocksAES128)
		checkPad(t, v, PadAES256, v.BlocksAES256)
	},
	"secured_message": func(t *testing.T, v *vector) {
		checkSequence(t, v, []vector{*v}, CRCXor, v.Sig0, "")
		checkSequence(t, v, []vector{*v}, SpeckMAC, v.Sig1, "")
	},
	"secured_message_sig2": func(t *testing.T, v *vector) { checkSequence(t, v, []vector{*v}, AESCMAC, v.Preamble, "") },
	"stream": func(t *testing.T, v *vector) {
		for i := range v.Messages {
			v.Messages[i].EncCount = 8
		}
		checkSequence(t, v, v.Messages, CRCXor, v.Preamble, v.Epilog0)
		checkSequence(t, v, v.Messages, SpeckMAC, v.Preamble, v.Epilog1)
	},
	"stream_mixed":          checkMixed,
	"secured_sequence_pads": checkMixed,
	"heartbeat":             checkHeartbeat,
	"heartbeat_pads":        checkHeartbeat,
	"group_key_update": func(t *testing.T, v *vector) {
		e := v.epoch()
		next := e.Updated(v.heard())
		same(t, "new key", next.Dyn[:], v.NewDyn)
		if next.Number != uint16(v.NewEpoch) {
			t.Errorf("epoch %d, want %d", next.Number, v.NewEpoch)
		}
	},
	"pair_bit_update": func(t *testing.T, v *vector) {
		k := fixed[Key](v.Dyn)
		for _, b := range v.Bits {
			k = k.Shifted(b == '1')
		}
		same(t, "new key", k[:], v.NewDyn)
	},
	"pair_start": func(t *testing.T, v *vector) {
		perm, device := fixed[Key](v.Perm), uint8(v.Device)
		k := PairStart(perm, uint8(v.KeyID), device, fixed[[4]byte](v.NonceC), fixed[[4]byte](v.NonceD), fixed[[8]byte](v.Serial))
		same(t, "start key", k[:], v.Dyn0)
		c, d := Proof(perm, k, device, 0), Proof(perm, k, device, device)
		same(t, "configurator's proof", c[:], v.ProofC)
		same(t, "device's proof", d[:], v.ProofD)
	},
	"group_start": func(t *testing.T, v *vector) {
		k := GroupStart(fixed[Key](v.Perm), uint8(v.KeyID), v.heard())
		same(t, "start key", k[:], v.Dyn0)
	},
	"start_key_tag": func(t *testing.T, v *vector) {
		tag := StartTag(fixed[Key](v.Perm), uint8(v.KeyID), fixed[Key](v.Dyn0))
		same(t, "tag", tag[:], v.Tag)
	},
	"advanced_aes128": func(t *testing.T, v *vector) {
		s, e, m := suite(t, PadSpeck, SpeckMAC), v.epoch(), v.message(0)
		m.Record.Cipher, m.Record.Count = AESPair, 8
		key, _ := s.pairKey(&e, v.at())
		same(t, "AES key", key[:], v.AESKey)
		first, second := s.SealPair(&e, v.at(), &m, fixed[[8]byte](v.RandomFill))
		same(t, "frame 1", first[:], v.Frame1)
		same(t, "frame 2", second[:], v.Frame2)
		back, ok := s.OpenPair(&e, v.at(), &m.Record, first, second)
		if !ok || back != m {
			t.Errorf("opened %v %v, want %v", back, ok, m)
		}
	},
	"message_table_checksum": func(t *testing.T, v *vector) {
		table, err := ParseTable(raw(v.TableWithCRC))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "table", table.Bytes(), v.TableWithCRC)
		if uint64(table.CRC()) != number(v.Crc) {
			t.Errorf("checksum %04x, want %s", table.CRC(), v.Crc)
		}
		for i, r := range table.Records() {
			b := r.Bytes()
			same(t, "record", b[:], v.Records[i])
		}
	},
	"fd_record":         checkFD,
	"fd_record_methods": checkFD,
	"fd_heartbeat": func(t *testing.T, v *vector) {
		s, e := suite(t, PadCipher(v.PadCipher), SpeckMAC), v.epoch()
		h := s.SealFDHeartbeat(&e, v.word(), Signature(v.Method), uint8(v.Sender), Status(number(v.Status)), fixed[[3]byte](v.Random))
		same(t, "frame", h[:], v.Frame)
		if got, ok := s.OpenFDHeartbeat(&e, v.word(), Signature(v.Method), h); !ok || got.Random != fixed[[4]byte](v.Random) {
			t.Errorf("opened %v %v", got, ok)
		}
		h[9] ^= 0x40
		if _, ok := s.OpenFDHeartbeat(&e, v.word(), Signature(v.Method), h); ok {
			t.Error("a heartbeat with a changed epoch is right")
		}
	},
}

func checkAES(t *testing.T, v *vector) {
	c, err := aes.NewCipher(raw(v.Key))
	if err != nil {
		t.Fatal(err)
	}
	b := raw(v.Pt)
	c.Encrypt(b, b)
	same(t, "block", b, v.Ct)
}

func checkPad(t *testing.T, v *vector, p PadCipher, blocks []string) {
	t.Helper()
	s, e := suite(t, p, SpeckMAC), v.epoch()
	s.start(&e, v.at(), true)
	for i, want := range blocks {
		b := s.pads.block(byte(number(v.Purpose)), uint8(i))
		same(t, "pad block "+strconv.Itoa(i), b[:], want)
	}
}

func checkSequence(t *testing.T, v *vector, parts []vector, method Signature, preamble, epilog string) {
	t.Helper()
	s, e := suite(t, PadCipher(v.PadCipher), SpeckMAC), v.epoch()
	var plain []Message
	for i := range parts {
		plain = append(plain, parts[i].message(method))
	}
	sealed := append([]Message(nil), plain...)
	p, end := s.Seal(&e, v.at(), sealed)
	same(t, "preamble", p[:], preamble)
	var last *[8]byte
	if epilog != "" {
		same(t, "epilog", end[:], epilog)
		last = &end
	}
	for i, m := range sealed {
		same(t, "data", m.Data[:m.Len], parts[i].DataFrame)
	}
	if !s.Open(&e, v.at(), &p, sealed, last) {
		t.Error("the sealed sequence does not open")
	}
	for i := range sealed {
		if sealed[i] != plain[i] {
			t.Errorf("opened %v, want %v", sealed[i], plain[i])
		}
	}
}

func checkMixed(t *testing.T, v *vector) {
	checkSequence(t, v, v.Messages, Signature(v.Method), v.Preamble, v.Epilog)
}

func checkHeartbeat(t *testing.T, v *vector) {
	s, e := suite(t, PadCipher(v.PadCipher), SpeckMAC), v.epoch()
	hk, init := s.heartbeatKeys(&e, uint8(v.Sender))
	same(t, "heartbeat key", hk[:], v.Hk)
	if uint64(init) != number(v.CrcInit) {
		t.Errorf("initializer %04x, want %s", init, v.CrcInit)
	}
	frame := s.SealHeartbeat(&e, uint8(v.Sender), Status(number(v.Status)), fixed[[3]byte](v.Random))
	same(t, "frame", frame[:], v.Frame)
	got, ok := s.OpenHeartbeat(&e, uint8(v.Sender), frame)
	if !ok || got.Random != fixed[[4]byte](v.Random) || uint64(got.Status) != number(v.Status) {
		t.Errorf("opened %v %v", got, ok)
	}
}

func checkFD(t *testing.T, v *vector) {
	s, e := suite(t, PadCipher(v.PadCipher), SpeckMAC), v.epoch()
	o := FDOptions{Word: v.word(), Signature: Signature(max(v.Method, 1)), Encrypted: v.Enc == 1}
	frame := s.SealFD(nil, &e, v.at(), o, raw(v.DataPlain))
	same(t, "frame", frame, v.Frame)
	data, r, found, err := ParseFD(frame)
	if !found || err != nil || r.Padding != uint8(v.PadCount) {
		t.Fatalf("record %v found %v: %v", r, found, err)
	}
	if !s.OpenFD(&e, o.Word, o.Signature, data, &r) {
		t.Error("the sealed frame does not open")
	}
	same(t, "data", data, v.DataPlain)
}

func TestVectors(t *testing.T) {
	file, err := os.ReadFile("../testdata/cancrypt/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(file, &groups); err != nil {
		t.Fatal(err)
	}
	cases := 0
	for name, text := range groups {
		var g struct{ Cases []vector }
		if err := json.Unmarshal(text, &g); err != nil {
			t.Fatal(err)
		}
		if name == "meta" || name == "weakness_demo_sig0" {
			continue
		}
		for i := range g.Cases {
			cases++
			t.Run(name+"/"+strconv.Itoa(i), func(t *testing.T) { checks[name](t, &g.Cases[i]) })
		}
	}
	if cases != 108 {
		t.Errorf("%d cases ran, want 108", cases)
	}
}

// Weakness 1: whoever may replace frames changes data and signature of method 0
// without any key.
func TestMethod0IsForgeableWithoutAKey(t *testing.T) {
	file, err := os.ReadFile("../testdata/cancrypt/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups struct {
		Demo struct {
			Data, Delta string
			Old         string `json:"sig_old"`
			New         string `json:"sig_new"`
			Crc0        string `json:"crc0_of_delta"`
		} `json:"weakness_demo_sig0"`
	}
	if err := json.Unmarshal(file, &groups); err != nil {
		t.Fatal(err)
	}
	d := groups.Demo
	if got := uint64(crc16(0, raw(d.Delta))); got != number(d.Crc0) || number(d.Old)^got != number(d.New) {
		t.Fatalf("change %04x", got)
	}
	s := suite(t, PadSpeck, SpeckMAC)
	v := vector{Perm: "000102030405060708090a0b0c0d0e0f", Dyn: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", CanID: "181", DataPlain: d.Data}
	for method, forged := range map[Signature]bool{CRCXor: true, SpeckMAC: false, AESCMAC: false} {
		e, messages := v.epoch(), []Message{v.message(method)}
		p, _ := s.Seal(&e, v.at(), messages)
		xor(messages[0].Data[:], raw(d.Delta))
		binary.LittleEndian.PutUint16(p[6:], binary.LittleEndian.Uint16(p[6:])^crc16(0, raw(d.Delta)))
		if got := s.Open(&e, v.at(), &p, messages, nil); got != forged {
			t.Errorf("method %d: the edited message opens: %v, want %v", method, got, forged)
		}
	}
}
