// Package openssl makes TLS 1.2 connections through the program openssl, for the
// suites that crypto/tls does not speak.
//
// One child per connection, `openssl s_client`, without a shell and with an empty
// environment. It never sees the network: it connects to a socket of ours, in a
// folder that only this user may enter, and each byte passes through this
// package:
//
//	caller ── stdin, stdout ── openssl ── socket ── relay ── connection ── server
//
// What a server says up to ServerHelloDone is not encrypted. The relay reads it,
// keeps it back, and has it judged (Handshake.Judge) by the rules that hold for
// every other connection: suite, DH group, chain of certificates, whether the
// server asks who we are. Only then openssl gets it, all at once. So a server that
// we do not trust has seen a hello, and nothing else. openssl holds the chain to
// the same anchors, name and time once more, and proves that the server has the
// key: its Finished covers every byte that we have judged.
//
// The connection is given out when openssl has said that it stands, with a good
// verification, TLS 1.2, and the suite that we saw. Before that nothing is
// written to it. Alerts that come unencrypted, which until the server's
// ChangeCipherSpec is all of them, are told by number, as crypto/tls does; later
// ones are not seen.
//
// Anchors, our certificate and our key go to the child through pipes: neither
// stands on a disk or in the list of processes because of it. A key that cannot
// be put into PKCS#8, as in a chip, cannot be used here.
//
// The flags, and what must not be among them:
//
//	-partial_chain -no-CAfile -no-CApath -no-CAstore   our anchors and nothing else
//	-verify_return_error -purpose sslserver            a bad chain ends the handshake
//	-verify_hostname NAME, or -verify_ip ADDRESS       for an address there is no SNI
//	-attime SECONDS                                    our time and not the machine's
//	-cipher ...:@SECLEVEL=2                            no RSA or DH below 2048 bits
//	-tls1_2 -no_renegotiation -no_ticket
//	-quiet -brief -nocommands                          else data that begins with Q or R is a command
//
// Never: -no_ign_eof, -crlf, -reconnect, -keylogfile, -sess_out, -debug, -msg,
// -trace.
package openssl
