package segment

import (
	"crypto"
	"time"
)

// SealKey is a key whose signatures under seal lines can be checked.
type SealKey struct {
	Public      crypto.PublicKey
	Owner       string    // in words: whose it is, and by whose word
	Doubt       string    // why nobody should rely on it; empty: it is trusted
	From, Until time.Time // dates of its certificate; zero: no bound
}

// Trust says whose signatures count. The zero value knows no key.
type Trust struct {
	Keys []SealKey
	// Required wants every segment signed by a key without Doubt. Else a key in
	// doubt makes a segment Signed too, and the doubt is told with it.
	Required bool
	// Head is the Hash of the device's last line, as far as somebody knows; empty:
	// unknown. It tells whether lines are missing at the end.
	Head string
}

// keyring is a Trust made ready.
type keyring struct {
	Trust
	known map[string]SealKey // by KeyID
}

func (t Trust) ring() *keyring {
	r := &keyring{t, map[string]SealKey{}}
	for _, k := range t.Keys {
		id, err := KeyID(k.Public)
		if err != nil {
			continue // its signatures are none of ours
		}
		if _, twice := r.known[id]; !twice || k.Doubt == "" {
			r.known[id] = k
		}
	}
	return r
}

// judge raises a finding that is Consistent to Signed, or to Altered, by the
// signature of its line.
func (r *keyring) judge(f *Finding, line SealLine) {
	if f.Key = line.Key; line.Sig == "" {
		return
	}
	k, known := r.known[line.Key]
	switch {
	case !known:
		f.remark("signed by a key that is not known here")
		return
	case line.CheckSignature(k.Public) != nil:
		f.Standing = Altered
		f.remark("the signature is wrong")
		return
	}
	f.By = k.Owner
	if k.Doubt != "" {
		f.By += ", " + k.Doubt
	}
	if !k.From.IsZero() && line.Start.Before(k.From) || !k.Until.IsZero() && line.Start.After(k.Until) {
		f.remark("outside the dates of the certificate")
	}
	if k.Doubt == "" || !r.Required {
		f.Standing = Signed
		return
	}
	f.remark("signed by a key that does not count")
}

// remark adds words.
func (f *Finding) remark(text string) { f.Remarks = append(f.Remarks, text) }
