// Package cancrypt is CANcrypt on classical CAN and CAN FD as profile P1 defines
// it, pure: bytes, frames and times in; verdicts, events and bytes out. It
// starts no goroutine, reads no clock, draws no randomness and does no input or
// output. The profile is cancrypt.md beside this file; P1.3 or 5.4 in a comment
// is a section of it.
//
// CANcrypt's public sources fix its architecture, not its bytes. P1 is this
// project's reading of what they leave open: interoperability with devices of
// other makers is not claimed.
//
// # What is here, and what is not
//
//	layouts      Word, Preamble, Control messages, Status, Record, Table, Methods, FDRecord
//	keys         Key (nothing prints it), Epoch, start keys, key updates, proofs, tags, additional inputs
//	Slots        the six key slots of a device and who may change them
//	Suite        one-time pad, signatures, sequences, heartbeats, AES pairs, FD frames and FD heartbeats
//	Judge        a passive observer of one group on one bus, classical or FD: verdicts and security events
//	Member       an active member of a group, classical or FD
//	Limiter      one event of each sender and kind in a period, with a count
//	Device       the device's side of pairings
//	Configurator the other side: generates, saves and erases keys
//
// Around it: cancrypt/offline judges recorded logs, cancrypt/node runs members and
// pairings on a bus and keeps the keys, cancrypt/simulate is a group for people
// without hardware; logger records what the judge says.
//
// # Bytes
//
// Multi-byte fields are little-endian. Control ID of address a is 170h + a by
// default; 0 is the configurator, 1-15 are devices. A frame on a control ID is,
// by its length: 5 a heartbeat, 8 a preamble or epilog or the first half of an
// AES pair, any other a control message.
//
//	preamble, epilog      0        1           2..5          6..7
//	                   +-+---+----+--+------+-------------+-----------+
//	                   |P|n-1|ctx |ep| seq  | CAN ID word | signature |
//	                   +-+---+----+--+------+-------------+-----------+
//	  P 1 preamble, 0 epilog; n messages; ctx 0 group, d pairing of device d
//	  ep key epoch mod 4; seq sequence number mod 64
//	  word: bit 31 29-bit frame, bit 30 encrypted bytes, bits 28..0 identifier
//	  signature: 0000h in a preamble that announces more than one message
//
//	heartbeat             0        1..3        4
//	                   +--------+-----------+-----+
//	                   | status | random    | chk |   bytes 1..4 Speck32/64 encrypted
//	                   +--------+-----------+-----+
//	  status: bit 7 authenticated, 6 paired, 5 last cycle, 1..0 epoch mod 4
//
//	table record          0..3         4           5            6             7
//	                   +-------------+-----------+------------+-------------+---+
//	                   | CAN ID word | prod|scope| first|count| cipher|sign | 0 |
//	                   +-------------+-----------+------------+-------------+---+
//	  a table ends with CRC-16 (1021h, start FFFFh) of its records, which rise
//
//	FD frame           data 0..56 | zero padding | record of 8
//	                   record: sender, epoch|encrypted|0|padding, seq (2), signature (4)
//
// # From keys to pads
//
//	permanent key ──┐                      ┌─► pad block i = cipher(MK; purpose, i, ctx, sender, epoch, seq)
//	dynamic key ────┴─ rotate, XOR ─► MK ──┤       Speck64/128, AES-128 or AES-256 (MK and MK')
//	epoch, seq ─────── (how far)           └─► signature 1 (Speck CBC-MAC), 2 (AES-CMAC)
//
// MK is new with each sequence. Additional inputs are XORed into it for secured
// messages only. Signature method 0 is a CRC, its start value from pad and
// permanent key, XOR the pad: whoever can replace frames forges it without a key
// (TestMethod0IsForgeableWithoutAKey).
//
// After each heartbeat cycle with two contributors or more the dynamic key is
// made anew from both old keys and all random bytes; in a pairing it is shifted
// right by an accepted random bit. The previous key is good for 100 ms more.
//
// # A secured sequence (5.5)
//
//	         preamble                data, 1 of 1
//	WAIT ──────────────► ARMED ────────────────────────► verify ─► WAIT
//	  ▲                  │  ▲ │ data, 1 of n                ▲
//	  │ 10 ms: 11        │  │ ▼                             │ fitting epilog
//	  ├──────────────────┘ collect ── n of n ──► EPILOG ────┘
//	  │                     │                      │
//	  └── early epilog: 11 ─┴── 10 ms: 11 ─────────┴── other epilog: 9
//
// A new preamble of the same sender and context ends a pending sequence as 11.
// A listed frame that nothing awaits is 12 and disturbs nothing. All frames of a
// sequence share one verdict, so its first ones are pending until it ends.
//
// The number in a preamble is the low part: of the numbers after the last
// verified one the next that fits is tried, and if that fails the latest one
// not after it, whose right signature is a replay. A replay outside these 64, or
// under another key, shows as a wrong signature or an unknown epoch: neither
// means "not a replay".
//
// # The judge
//
// It follows a group from the GROUP frames of its start, sends nothing, and takes
// nothing from the bus but nonces and random bytes.
//
//	            GROUP                 500 ms, 2 members        2 contributors
//	no key ─────────────► window ───────────────────► Dyn0 ─────────────────► next key ─┐
//	  ▲                                                  ▲   every cycle     └──────────┘
//	  │ split                                            │ GROUP, 5 s after the last one
//	  └──────────────────── candidates ◄─────────────────┴── or a heartbeat at a cycle's edge
//
// Where the frames leave open what the members hold, it keeps a candidate for
// each reading and judges every frame under all of them: a GROUP frame that may
// be forged; a heartbeat in the last 30 ms of a cycle; one with the previous key
// within 30 ms after it. A frame on which they differ is pending. The candidate
// under which two members are authentic in a later cycle wins; two that win are
// a group split, and no key is held until the next start.
//
// If nothing was right for two event times, though frames of two members came,
// the judge is out of step and everything that needs a key is "not judged",
// until something is right again.
//
// What accuses waits for a proof, for it may be the judge's own fault: under a
// wrong key every honest frame is wrong.
//
//	9, 18, counters 3 and 6   until the key is proven: two members' heartbeats, or one signature;
//	                          more, the more heartbeats are tried, and none of a sender who is guessed
//	13, counter 5             until the same has come after it: no update was missed
//	7                         15 instead, where a heartbeat was wrong under a key not proven
//	7, 9, 11, 12, 13          15 instead, where frames are known to be missing (Judge.Lost)
//
// Promises, for a caller that gives it all frames of a bus in order and tells it
// of losses: no frame is "authentic" without the group's key, but for a guess of
// 16 bits (FD: 32), and from the ninth failure of a sender under a key not even
// then. It accuses no honest frame, but of two members whose heartbeats are right
// under a wrong key by chance, 2^-16 (TestALostHeartbeatAccusesNobody,
// TestNoAttackIsAuthenticAndNoHonestFrameIsAccused). A frame that is missing and
// not counted as lost leaves its partner alone: that is 11 or 12.
//
// One heartbeat that it missed, or that the members did not count, is found again
// by search, where JudgeOptions.Repair is set (5.10):
//
//	Judge ── out of step, three cycles later ──► Repair ──► Search.Run ──► Mend ──► in step
//	  │                                                     7 s of a processor,
//	  └── goes on, keeps up to 32,768 frames ──────────     on any other thread
//
// With a thousandth of the frames lost and not counted, 98 % of the messages of ten
// minutes are authentic instead of 5 %, and none is accused; live, each missed
// heartbeat costs the time of its search beside (TestAThousandthOfTheFramesIsLost).
// A start of the group meanwhile ends the search.
//
// A recorded drive played again is authentic, unless its start key is remembered
// (JudgeOptions.Seen). Memory is bounded: 16 candidates, 65,536 verdicts that wait
// for a proof, some 131,072 on which the candidates differ (20 MB, where forged
// starts come for minutes and no heartbeat decides); what is beyond stays pending.
// Nothing is allocated per frame, but by AES (signature method 2, AES pairs and
// pads: 512 bytes a key).
//
// The verdict "injected" (16) needs a member on this machine (JudgeOptions.Address):
// frames with its identifiers must be can.Tx, that is, known to the capture as sent
// by this program. The group takes them as any frame, and so does the judge.
//
// # The judge of CANcrypt FD
//
// With JudgeOptions.FD (P1.15) each listed frame carries its record and is judged
// at once; there are no preambles but those of pairings. Heartbeats are FD frames
// of 16 bytes. Numbers are whole, so a replay is known as far back as its key.
// Cycles, candidates, proofs and repair are the same.
//
// # The member (5.7)
//
// It sends heartbeats and secured messages, verifies those of others and delivers
// what is authentic. It holds one state, not candidates: what it counted, counts.
//
//	                 GROUP            500 ms, 2 members           a cycle with update
//	OFF ────────────► JOIN ─────────────────────────────► SYNC ────────────────────► GROUPED
//	 ▲                ▲ │ fewer than 2: the state before,  │                            │ │
//	 │ the last cycle │ └► with its key, again after 5 s   │   2 event times alone, or  │ │ own identifier received,
//	 │ is over        ├────────────────────────────────────┴── somebody is heard for ───┘ │ collision in the data
//	 │                │                                        2 cycles, but not right     ▼
//	any               └──────────── 3 clean event times, or the operator ─────────────── SILENT
//
// A GROUP frame of another configured member leads from each state to JOIN. The
// rows are the table transitions.
//
//	heartbeat      sent when its event time is over, or as the answer to the one that opens a
//	               cycle, if the inhibit time is over by then or 20 ms later; Vouch asks for an
//	               early one, the inhibit time after the last cycle, so that everybody can answer
//	first one      10-30 ms after Dyn0, by the lowest address
//	not on the bus as the cycle closes: withdrawn (Outgoing.Until)
//	SILENT         no heartbeat, ALERT; own messages go on, the others' are verified
//	lost itself    starts a cycle, the inhibit time after the last one
//	Leave          one more heartbeat with bit 5; OFF, with keys wiped as far as a program can
//
// The caller gives it every frame, its own ones too as soon as they are on the bus
// (can.Tx): only then do they count, so that all members count the same.
//
// GROUP frames. Before its first one a member listens for 0.3-0.42 s: who boots
// meanwhile hears it. Two rules go beyond the text, which has members that boot
// one by one ignore each other for ever. A start in which fewer than two members
// were heard does not keep anybody, nor the judge, from following another one. And
// an own start is put off, once, until everybody takes one again who may count his
// 5 s from a frame that was heard. So a group stands 6.2 s after its last member
// boots, mostly at once (TestMembersThatBootApart).
//
// With GroupOnce the member starts the group once in a boot, after 2 s of listed
// frames of which none was right, and never again; with Visit it has only listened
// before, and leaves in the first cycle after it.
//
// Manipulation. A frame with an own identifier that is not can.Tx, remote frames
// included, is an injection. A bit error in the data field while an own listed
// frame is under way is a collision; one without a place is a suspicion, which
// silences only with SilentOnHint.
//
// Promises: nothing is delivered that was not sent by a holder of the key, but for
// a guess of 16 bits (method 1, 2; FD 32, AES pairs about 60), and nothing twice.
// Whoever holds another key than the others says so within two cycles, and all
// agree again within 5 s and the window after that, once frames flow
// (TestMembersUnderLossDelayAndAttack, TestTwoAndTwoMembersFindTogetherAgain).
// Messages of method 0 are forgeable and need AllowMethod0. Memory is bounded: 256
// heartbeat-only messages wait for each sender. In the steady state nothing is
// allocated, but by AES.
//
// With CANcrypt FD members 1-15 make the key; those above only listen, follow it
// and send secured messages. They start no group: one that boots late, or whose
// key is another one for two event times, is in JOIN and sends nothing until the
// next start (TestFDMembersUnderLossDelayAndAttack).
//
// # Pairings (5.8)
//
// A configurator and one device, in the context that is the device's address. The
// configurator starts everything and owns the update timer.
//
//	configurator                                   device
//	asking      IDENTIFY, XIDENTIFY of the serial  any state
//	            PAIR k, nonce C ────────────────►  idle: ABORT, or
//	            ◄──────────────────────── nonce D  k = 0: generating; else proving
//	generating  BIT i ──────────────────────────►  a window of 25 ms
//	            claim 0 or 1 ◄──────────────────►  claim 0 or 1, 0-20 ms after BIT
//	            ◄─────────────────────── ACK of i  the claims differ: one bit more
//	            FLIP i (preset key) ────────────►  ACK; the bit is turned over if it says so
//	proving     CONFIRM ────────────────────────►  wrong: ABORT; three times: shut for 10 s
//	            ◄──────────────────────── CONFIRM  paired
//	paired      BIT each period, SAVEKEY, ERASEKEY, messages of scope 1
//	idle        UNPAIR, ABORT, or 3 periods without an accepted bit or a right secured message
//
// The rows are deviceRows and configuratorRows: what has none is ignored. An
// agreed bit counts when the device's ACK is on the bus: the device switches as it
// sends it, the configurator as it hears it. A BIT with the last index once more
// says that the ACK was not heard; the device takes the bit back, unless something
// has been secured under the key that it made. A BIT while the window is open, 5 ms
// or more after the first, says that the configurator's window has closed without
// a bit. A claim that would be 24 ms late is not sent; after a window in which it
// heard nothing the configurator waits for 100 ms, with the direct method 25. So
// neither takes a late claim for one of the next window.
//
// Two things come of the bits: paired, each is shifted into the dynamic key as it
// was generated; and the last 128, shaped by FLIP, are what SAVEKEY saves. FLIP
// goes from the configurator to the device alone.
//
// A request that is refused ends the pairing, as 5.8 has it for each ABORT. One
// that is repeated because its ACK was lost is acknowledged again without effect.
// The configurator keeps a new key before it asks the device to: a key that nobody
// knows could not be erased again. ABORT busy counts only for who has asked for a
// pairing. Three wrong signatures in a row end a pairing (reason 5): the keys
// differ. A control frame of the pairing's context under the own control ID, sent
// by somebody else, ends it too (counter 7, reason 8); heartbeats and the group's
// messages there are the member's business. AES pairs of scope 1 are not taken
// part in.
//
// Who knows no key can keep two from pairing, and end a pairing: by ABORT, by a
// third claim, or by any forged frame (TestForgedMessagesOfAPairing). He cannot
// enter one but by a guess of 32 bits, three in 10 s, nor save, erase or learn a
// key (TestForgedRequestsAtTheDeviceAlone). A pairing that generates its key has
// nothing to prove who the other side is: see weakness 3 of cancrypt.md 7. The
// direct method sends claims at once, so that latency tells who sent them.
//
// # Requirements
//
// R1..R20 of cancrypt.md 3, each with tests of it.
//
//	R1  at most 15 devices              TestJudgesThatAreRefused, TestMembersThatAreRefused, TestFifteenMembersShareARollingKey
//	R2  group and pairing start         TestVectors/group_start, pair_start; TestMembersThatBootApart; TestTwoPartiesGenerateAKeyAndPairOnIt
//	R3  keys are never readable         TestNothingPrintsAKey, TestR3NothingThatHoldsAKeyPrintsIt, TestNothingPrintsTheKeysOfAPairing
//	R4  who may save and erase          TestR3AndR4WhoMaySaveAndErase, TestSaveNeedsFreshBits
//	R5  key updates                     TestVectors/group_key_update, pair_bit_update; TestFifteenMembersShareARollingKey; TestR5AndR6PairingUpdatesItsKeyBitByBit
//	R6  previous key                    TestPreviousKeyInItsGrace, TestMemberTakesThePreviousKeyInItsGrace
//	R7  pads, AES, additional inputs    TestVectors/one_time_pad, pad_*, extra_inputs; TestJudgeUnderOtherPads
//	R8  checksum and its initializer    TestVectors/message_table_checksum, secured_message
//	R9  heartbeat                       TestVectors/heartbeat, heartbeat_pads
//	R10 event and inhibit times         TestHeartbeatsAreAnsweredAndStartedEarly
//	R11 preamble, partial encryption    TestVectors/secured_message, secured_message_sig2; TestR11PreambleAndMessageAreBackToBack
//	R12 10 ms                           TestEachVerdict/preamble without message; TestNoAttackReaches/preamble without message
//	R13 key chosen by the counter       TestPreviousKeyInItsGrace, TestMemberTakesThePreviousKeyInItsGrace
//	R14 listed and not authenticated    TestEachVerdict/message without preamble; TestWhatAnAttackerMakesOfMessagesIsNotDelivered, TestReplaysAreNotDelivered, TestForgedFDFramesAreNotDelivered
//	R15 streams                         TestVectors/stream, stream_mixed; TestStreams, TestWhatIsSentIsDelivered
//	R16 AES pair                        TestVectors/advanced_aes128; TestAESPairs, TestWhatIsSentIsDelivered
//	R17 injection, collision            TestInjectionSilencesTheHeartbeat, TestCollisions
//	R18 serial number                   TestVectors/pair_start; TestR18SerialNumberBindsAPairing
//	R19 after one heartbeat, or two     TestEachVerdict/vouched, vouched twice; TestDeliveryPolicies; TestNewMemberVouchesFromItsThirdCycle
//	R20 replaceable functions           TestR20FunctionsAreReplaceable; see "Another profile" for how far
//
// # Readings of the profile
//
// Each verdict of 5.4 has a test of its name, TestEachVerdict/NAME, and one of the
// attack that must not bring it about, TestNoAttackReaches/NAME.
//
// Where the text leaves a choice, the judge does this. A heartbeat with one of the
// zero bits of its status set is wrong. A heartbeat with the previous key in its
// grace means that its sender did not miss the cycle. An early epilog shares code
// 11 with its sequence. A configured address that took no part in the start is no
// member, its heartbeats are wrong. Two candidates win "in the same cycle" when
// the second one's cycle was open as the first one's closed.
//
// # Another profile
//
// Pad ciphers are implementations of padMaker; signature methods are the cases of
// Suite.signature. The vendor's own bytes would replace readPreamble and
// Preamble.Bytes, crc16, Suite.initializer, Suite.heartbeatKeys with the heartbeat
// functions, Suite.signature, Epoch.Updated, Epoch.mixed, GroupStart and PairStart:
// one function for each thing that the public sources do not tell. The state
// machines use nothing below them.
package cancrypt
