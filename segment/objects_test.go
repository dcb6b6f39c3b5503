package segment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/segment"
)

// stored is a segment in a bucket as its writer left it.
type stored struct {
	key     string
	line    []byte
	content string
}

// bucketOf puts the four segments of a signed card into a bucket.
func bucketOf(t testing.TB, e *evidence) (all []*stored) {
	t.Helper()
	for _, session := range []uint32{1, 2} {
		for _, text := range e.lines(session) {
			line := e.parse(t, text)
			n := name(session, line.Split)
			all = append(all, &stored{segment.Key("fleet", device, n, line.Start), bytes.TrimSuffix(line.Raw, []byte("\n")), "segment " + n.String()})
		}
	}
	return all
}

func verifyObjects(t testing.TB, all []*stored, trust segment.Trust) segment.Verification {
	t.Helper()
	o := segment.NewObjects(device, trust)
	for _, s := range all {
		folder, d, at, ok := segment.ParseKey(s.key)
		if !ok || folder != "fleet/"+string(device) || d != device {
			t.Fatalf("%s: %s, %s, %v", s.key, folder, d, ok)
		}
		sum := sha256.Sum256([]byte(s.content))
		at.Line, at.SHA256, at.Size = s.line, hex.EncodeToString(sum[:]), int64(len(s.content))
		o.Add(at)
	}
	return o.Verification()
}

// Whoever writes the bucket, and has no key of the device.
func TestNoAttackOnABucketStaysSigned(t *testing.T) {
	for _, row := range []struct {
		name   string
		attack func(e *evidence, all []*stored) []*stored
		want   string
		ok     bool
		told   string // a break or note
	}{
		{"none", func(_ *evidence, all []*stored) []*stored { return all }, "signed; signed; signed; signed", true, ""},
		{"in any order", func(_ *evidence, all []*stored) []*stored { slices.Reverse(all); return all }, "signed; signed; signed; signed", true, ""},
		{"a byte of a segment", func(_ *evidence, all []*stored) []*stored {
			all[1].content = "Segment" + all[1].content[7:]
			return all
		}, "signed; altered; signed; signed", false, ""},
		{"a field of a line", func(_ *evidence, all []*stored) []*stored {
			all[1].line = bytes.Replace(all[1].line, []byte(`"lost":12`), []byte(`"lost":10`), 1)
			return all
		}, "signed; altered (the signature is wrong); signed; signed", false, "the line before 00000001/00000003 is not here"},
		{"lines exchanged", func(_ *evidence, all []*stored) []*stored {
			all[0].line, all[1].line = all[1].line, all[0].line
			return all
		}, "altered (sealed as split 2); altered (sealed as split 1); signed; signed", false, ""},
		{"objects exchanged with their metadata", func(_ *evidence, all []*stored) []*stored {
			all[0].key, all[1].key = all[1].key, all[0].key
			return all
		}, "altered (sealed as split 2); altered (sealed as split 1); signed; signed", false, ""},
		{"an old segment under a new name", func(_ *evidence, all []*stored) []*stored {
			replay := *all[1]
			replay.key = strings.Replace(replay.key, "00000001/", "00000003/", 1)
			return append(all, &replay)
		}, "signed; signed; signed; signed; extra (renumbered, the line of 00000001/00000002)", false, ""},
		{"an old segment in the place of another", func(_ *evidence, all []*stored) []*stored {
			all[3].line, all[3].content = all[0].line, all[0].content
			return all
		}, "signed; signed; signed; extra (renumbered, the line of 00000001/00000001)", false, ""},
		{"another start", func(_ *evidence, all []*stored) []*stored {
			all[2].key = all[2].key[:len(all[2].key)-12] + "00000000.MF4"
			return all
		}, "signed; signed; altered (its key names another start); signed", false, ""},
		{"a stranger's line", func(e *evidence, all []*stored) []*stored {
			s := e.line(t, name(1, 2), e.parse(t, e.lines(1)[1]).Prev, "forged", e.stranger)
			all[1].content, all[1].line = "forged", bytes.TrimSuffix(s.Encode(), []byte("\n"))
			return all
		}, "signed; consistent (signed by a key that is not known here); signed; signed", false, "the line before 00000001/00000003 is not here"},
		{"a stranger's segment beside", func(e *evidence, all []*stored) []*stored {
			s := e.line(t, name(1, 4), e.parse(t, e.lines(1)[2]).Hash(), "forged", e.stranger)
			return append(all, &stored{segment.Key("fleet", device, name(1, 4), s.Start), bytes.TrimSuffix(s.Encode(), []byte("\n")), "forged"})
		}, "signed; signed; signed; consistent (signed by a key that is not known here); signed", false, "their lines follow the same one"},
		{"no line", func(_ *evidence, all []*stored) []*stored { all[0].line = nil; return all }, "extra (no seal line in its metadata); signed; signed; signed", false, "what was sealed before 00000001/00000002"},
		{"no such line", func(_ *evidence, all []*stored) []*stored { all[0].line = []byte{}; return all }, "extra (its seal line cannot be read); signed; signed; signed", false, ""},
		{"one taken from the middle", func(_ *evidence, all []*stored) []*stored { return slices.Delete(all, 1, 2) }, "signed; missing; signed; signed", true, ""},
		{"the last of a session taken", func(_ *evidence, all []*stored) []*stored { return slices.Delete(all, 2, 3) }, "signed; signed; signed", true, "the line before 00000002/00000001 is not here"},
		{"the first taken", func(_ *evidence, all []*stored) []*stored { return all[1:] }, "signed; signed; signed", true, "what was sealed before 00000001/00000002"},
		{"the last taken", func(_ *evidence, all []*stored) []*stored { return all[:3] }, "signed; signed; signed", true, "the last line that the device tells of"},
		{"all begun anew", func(e *evidence, all []*stored) []*stored {
			s := e.line(t, name(3, 1), segment.FirstPrev, "anew", e.stranger)
			return append(all, &stored{segment.Key("fleet", device, name(3, 1), s.Start), bytes.TrimSuffix(s.Encode(), []byte("\n")), "anew"})
		}, "signed; signed; signed; signed; consistent (signed by a key that is not known here)", false, "begins anew with 00000003/00000001"},
		{"of another device", func(e *evidence, all []*stored) []*stored {
			s := e.parse(t, e.lines(1)[0])
			s.Raw, s.Device = nil, "0000000F"
			s, _ = s.Signed(e.stranger)
			all[0].line = bytes.TrimSuffix(s.Encode(), []byte("\n"))
			return all
		}, "altered; signed; signed; signed", false, ""},
	} {
		e := signedCard(t)
		all := bucketOf(t, e)
		trust := segment.Trust{
			Keys: []segment.SealKey{{Public: e.device.Public(), Owner: "device"}}, Required: true,
			Head: e.parse(t, e.lines(2)[0]).Hash(),
		}
		v := verifyObjects(t, row.attack(e, all), trust)
		told := fmt.Sprint(v.Breaks, v.Notes)
		if got := standings(v); got != row.want || v.OK() != row.ok || !strings.Contains(told, row.told) {
			t.Errorf("%s: found %s, ok %v, %s\nwanted %s, ok %v, %s", row.name, got, v.OK(), told, row.want, row.ok, row.told)
		}
	}
}

func TestKeysOfABucketAreTakenApart(t *testing.T) {
	at := time.Unix(0x6B003640, 0).UTC()
	for _, prefix := range []string{"", "fleet", "a/b.c"} {
		folder, d, o, ok := segment.ParseKey(segment.Key(prefix, device, name(7, 3), at))
		if want := strings.TrimPrefix(prefix+"/"+string(device), "/"); !ok || folder != want || d != device || o.Name != name(7, 3) || !o.Start.Equal(at) {
			t.Errorf("%q: found %s, %s, %+v, %v", prefix, folder, d, o, ok)
		}
	}
	for _, key := range []string{
		"", "/", "x.MF4", "A1B2C3D4/device.json", "A1B2C3D4/00000001/00000001.MF4", "A1B2C3D4/00000001/00000001-6b003640.MF4",
		"A1B2C3D4/00000001/00000001-6B003640.MFC", "A1B2C3D4/1/00000001-6B003640.MF4", "a1b2c3d4/00000001/00000001-6B003640.MF4",
		"/A1B2C3D4/00000001/00000001-6B003640.MF4", "A1B2C3D4//00000001/00000001-6B003640.MF4", "A1B2C3D4/00000001/00000000-6B003640.MF4",
		"A1B2C3D4/00000001/00000001-06B003640.MF4", "../A1B2C3D4/x/00000001-6B003640.MF4", "xA1B2C3D4/00000001/00000001-6B003640.MF4",
	} {
		if _, _, o, ok := segment.ParseKey(key); ok {
			t.Errorf("%q: found %+v", key, o)
		}
	}
}

// What is missing is named up to a bound, whatever numbers the keys have.
func TestHolesOfAnySizeAreCheap(t *testing.T) {
	e := signedCard(t)
	far := e.line(t, name(2, 99_999_999), hash, "far", e.device)
	all := append(bucketOf(t, e), &stored{segment.Key("fleet", device, name(2, 99_999_999), far.Start), bytes.TrimSuffix(far.Encode(), []byte("\n")), "far"})
	if v := verifyObjects(t, all, segment.Trust{}); len(v.Findings) != 10_005 {
		t.Errorf("%d findings", len(v.Findings))
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("fleet/A1B2C3D4/00000001/00000001-6B003640.MF4")
	f.Add("A1B2C3D4/00000001/00000001-6B003640.MF4")
	f.Add("//")
	f.Fuzz(func(t *testing.T, key string) {
		folder, d, o, ok := segment.ParseKey(key)
		if ok && (!strings.HasSuffix(folder, string(d)) || !strings.HasSuffix(segment.Key("", d, o.Name, o.Start), key[strings.LastIndex(key, string(d)):])) {
			t.Errorf("%q: %s, %s, %+v", key, folder, d, o)
		}
	})
}
