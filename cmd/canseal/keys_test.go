package main

import (
	"bytes"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// sealAge encrypts a file: age RECIPIENT-OR-PASSPHRASE-FILE FROM TO.
func sealAge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: age RECIPIENT-OR-PASSPHRASE-FILE FROM TO")
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipientOf(ts, strings.TrimSpace(ts.ReadFile(args[0]))))
	ts.Check(err)
	_, err = w.Write([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), out.Bytes(), 0o600))
}

func recipientOf(ts *testscript.TestScript, text string) age.Recipient {
	if strings.HasPrefix(text, "age1") {
		r, err := age.ParseX25519Recipient(text)
		ts.Check(err)
		return r
	}
	r, err := age.NewScryptRecipient(text)
	ts.Check(err)
	r.SetWorkFactor(10)
	return r
}
