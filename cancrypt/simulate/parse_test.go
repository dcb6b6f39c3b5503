package simulate

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

func TestMessagesFromText(t *testing.T) {
	for text, want := range map[string]Message{
		"0x123": {Record: cancrypt.Record{Word: 0x123, Count: 8, Signature: cancrypt.SpeckMAC}, Length: 8, Rate: 10, Stream: 1},
		"18FEF100@0.5,producer=3,length=4,encrypt=2,encrypt_from=1,signature=2,stream=8": {
			Record: cancrypt.Record{Word: 0x18FEF100 | cancrypt.Extended, Producer: 3, First: 1, Count: 2, Signature: cancrypt.AESCMAC}, Length: 4, Rate: 0.5, Stream: 8,
		},
		"0x7FF,cipher=aes,protect=none": {
			Record: cancrypt.Record{Word: 0x7FF, Count: 8, Cipher: cancrypt.AESPair, Signature: cancrypt.SpeckMAC}, Length: 8, Rate: 10, Stream: 1, Protect: None,
		},
	} {
		if got, err := ParseMessage(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                  `found ""`,
		"0x1234567890":      "wanted an identifier",
		"0x20000000":        "wanted an identifier",
		"0x800":             "wanted an identifier",
		"0x123@NaN":         "0.01 to 10000",
		"0x123@1e9":         "0.01 to 10000",
		"0x123,length=9":    "length: found \"9\", wanted 0 to 8",
		"0x123,colour=blue": "found \"colour\"",
		"0x123,length":      "wanted NAME=VALUE",
		"0x123,cipher=rot":  "wanted pad or aes",
		"0x123,protect=me":  "wanted table, heartbeat or none",
	} {
		if _, err := ParseMessage(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, wanted %s", text, err, want)
		}
	}
}

func TestAttacksFromText(t *testing.T) {
	got, err := ParseAttack("delay@3,id=0x123,device=2,from=1s,for=2s,delay=30ms")
	want := Attack{Delay, 3, 0x123, 2, time.Second, 2 * time.Second, 30 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("%+v %v", got, err)
	}
	for _, text := range []string{"", "storm", "inject@0", "inject,from=yesterday", "inject,for=-1s", "inject,device=16", "inject,x=1"} {
		if _, err := ParseAttack(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestATruthListIsReadAsItWasWritten(t *testing.T) {
	frame := can.Frame{ID: 0x18FEF100, Flags: can.Extended, DLC: 3, Len: 3}
	copy(frame.Data[:], []byte{1, 2, 0xFF})
	list := []Truth{
		{Time: start, Kind: Honest, What: Data, By: 3, Sender: 3, State: Grouped, Waited: 2000, Frame: frame},
		{Time: start + 1, Kind: Flood, What: Unlisted, Frame: can.Frame{ID: 1}},
	}
	var text []byte
	for i := range list {
		text = append(list[i].AppendJSON(text), '\n')
	}
	got, err := ReadTruth(strings.NewReader(string(text)))
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%+v %v", got, err)
	}
	for _, line := range []string{"x", "{}", `{"t":"1.5","frame":"123#00"}`, `{"t":"-1.000000000","frame":"123#00"}`, `{"t":"1.000000000","frame":"123#0"}`} {
		if _, err := ReadTruth(strings.NewReader("\n" + line)); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzTruth(f *testing.F) {
	f.Add(`{"t":"1800000000.000000000","kind":"honest","what":"data","by":3,"sender":3,"state":"grouped","frame":"18FEF100#0102FF"}`)
	f.Fuzz(func(t *testing.T, line string) {
		w, err := parseTruth([]byte(line))
		if err != nil {
			return
		}
		again, err := parseTruth(w.AppendJSON(nil))
		if err != nil || again.Frame != w.Frame || again.Time != w.Time {
			t.Errorf("%+v, %+v %v", w, again, err)
		}
	})
}

func FuzzFlags(f *testing.F) {
	f.Add("0x123@50,producer=2,stream=3", "inject@2,from=1s")
	f.Fuzz(func(t *testing.T, message, attack string) {
		if m, err := ParseMessage(message); err == nil && (m.Length > 8 || m.Rate <= 0 || m.Stream < 1 || !m.Record.Word.Valid()) {
			t.Errorf("%q: %+v", message, m)
		}
		if a, err := ParseAttack(attack); err == nil && (a.Rate <= 0 || a.From < 0 || a.For < 0) {
			t.Errorf("%q: %+v", attack, a)
		}
	})
}
