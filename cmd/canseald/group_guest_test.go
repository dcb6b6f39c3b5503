//go:build linux

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/cancrypt/simulate"
)

// These tests are the guest's part of TestALoggerJudgesAGroupOfProcesses.

// messages of the group: one encrypted, one only authenticated, one with AES, one
// of more than one message, one that heartbeats vouch for. Device 5 has none.
var messages = []string{
	"--message", "0x210@6,producer=1", "--message", "0x220@6,producer=2,encrypt=0", "--message", "0x230@6,producer=3,signature=2",
	"--message", "0x18FEF104@3,producer=4,stream=3", "--message", "0x310@4,producer=1,protect=heartbeat",
}

// ours are the programs in the guest's memory: reading them from the host would
// stop the whole guest for a while.
const ours = "/ram/"

// load copies the programs.
func load(t *testing.T) {
	t.Helper()
	for _, name := range []string{"canseal", "canseald"} {
		content, err := os.ReadFile("/" + name)
		must(t, err)
		must(t, os.WriteFile(ours+name, content, 0o755))
		must(t, exec.Command(ours+name, "--version").Run())
	}
}

// party is a simulated group on one interface.
type party struct {
	t      *testing.T
	iface  string
	label  string // of lines with figures
	begun  time.Time
	until  time.Time // when all of it ends
	truths []string
	group  []*exec.Cmd
}

func newParty(t *testing.T, iface string, length time.Duration) *party {
	now := time.Now()
	return &party{t: t, iface: iface, label: "FIGURE", begun: now, until: now.Add(length)}
}

// sleep waits until so many seconds after the beginning.
func (p *party) sleep(seconds int) {
	time.Sleep(time.Until(p.begun.Add(time.Duration(seconds) * time.Second)))
}

// play starts a process of the simulation. An attacker is given less of the
// processor than devices: what he sends must not fall into their sequences just
// because all wake up at the same tick.
func (p *party) play(attacker bool, words ...string) {
	p.t.Helper()
	truth := filepath.Join(p.t.TempDir(), "truth.jsonl")
	words = append([]string{ours + "canseal", "simulate", "--demo-keys", "--interface", p.iface, "--devices", "5", "--truth", truth,
		"--duration", time.Until(p.until).Round(time.Millisecond).String()}, words...)
	if attacker {
		words = append([]string{"/bin/nice", "-n", "19"}, words...)
	}
	c := exec.Command(words[0], append(words[1:], messages...)...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	must(p.t, c.Start())
	p.t.Cleanup(func() { _ = c.Process.Kill() })
	p.truths, p.group = append(p.truths, truth), append(p.group, c)
}

// devices starts one process for each device.
func (p *party) devices(words ...string) {
	p.t.Helper()
	for a := 1; a <= 4; a++ {
		p.play(false, append(words, "--device", fmt.Sprint(a))...)
	}
}

func (p *party) wait() {
	p.t.Helper()
	for _, c := range p.group {
		must(p.t, c.Wait())
	}
}

// judged is what canseal simulate --check says of a logger's bus.
type judged struct {
	*simulate.Report
	Share    float64
	Problems []string
}

// check holds the log of a daemon that has ended against the truth.
func (p *party) check(d *daemon, bus int) judged {
	p.t.Helper()
	logs, err := filepath.Glob(filepath.Join(d.card, "LOG", roadDevice, "*", "*.MF4"))
	must(p.t, err)
	slices.Sort(logs)
	words := append([]string{"simulate", "--check", "--json", "--bus", fmt.Sprint(bus), "--truth", strings.Join(p.truths, ",")}, logs...)
	c := exec.Command(ours+"canseal", words...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	var j judged
	if json.Unmarshal(out, &j) != nil {
		p.t.Fatalf("canseal simulate --check: %v\n%s", err, out)
	}
	j.Text(os.Stdout)
	return j
}

// judgeDaemon starts a logger that judges a bus; once lets it ask the group for
// one new start, as device 5.
func judgeDaemon(t *testing.T, iface string, once bool) *daemon {
	t.Helper()
	card := t.TempDir()
	words := append([]string{"simulate", "--devices", "5", "--print-config"}, messages...)
	section, err := exec.Command(ours+"canseal", words...).Output()
	must(t, err)
	bus := "buses:\n  - {interface: " + iface + ", cancrypt: {role: judge}}\n"
	if once {
		bus = "buses:\n  - {interface: " + iface + ", cancrypt: {role: judge, address: 5, group_once: true}}\n"
	}
	text := "version: 1\ndevice: {id: " + roadDevice + "}\nlog: {flush: 100ms}\nupload: {mode: off}\n" + string(section) + bus
	write(t, filepath.Join(card, "config.yaml"), []byte(text))
	out, err := exec.Command(ours+"canseal", "simulate", "--store-demo-key", "--root", card).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d := startDaemon(t, ours+"canseald", card)
	d.awaitUp(t, 0)
	return d
}

// lose lets the kernel lose a share of the frames of an interface.
func lose(t *testing.T, iface, percent string) {
	t.Helper()
	if out, err := exec.Command("/bin/tc", "qdisc", "add", "dev", iface, "root", "netem", "loss", percent).CombinedOutput(); err != nil {
		t.Fatalf("tc: %v %s", err, out)
	}
}

func TestGuestGroup(t *testing.T) {
	roadFolder(t)
	load(t)
	const attempts = 2
	for n := 1; !attackedGroup(t, n == attempts); n++ {
		fmt.Println("the machine was too slow for the times of the profile; once more")
	}
	if _, err := os.Stat("/bin/tc"); err == nil {
		losingBus(t)
	}
}

// attackedGroup lets three loggers hear an attacked group: one from the start, one
// that starts 5 s late, and one that starts 8 s late and asks for one new start. It
// reports false, and wants nothing, when frames had to wait so long for the
// processor that members could not agree, unless this is the last attempt: then it
// wants all that does not depend on times.
func attackedGroup(t *testing.T, last bool) bool {
	early := judgeDaemon(t, "vcan0", false)
	p := newParty(t, "vcan0", 18*time.Second)
	p.devices("--deaf")
	p.play(true, attacks("--attacker")...)
	p.sleep(5)
	late := judgeDaemon(t, "vcan0", false)
	p.sleep(8)
	once := judgeDaemon(t, "vcan0", true)
	p.wait()
	for _, d := range []*daemon{early, late, once} {
		d.stop(t)
	}
	inTime, fromThen, asked := p.check(early, 1), p.check(late, 1), p.check(once, 1)
	slow := p.pace()
	if slow && !last {
		return false
	}
	p.expect(inTime, "in time", slow)
	p.expect(fromThen, "5 s late", slow)
	p.expect(asked, "8 s late with one GROUP", slow)
	const seconds = 1e9
	if !slow && (fromThen.First < 3*seconds || asked.First > 5*seconds) {
		t.Errorf("first verdicts after %v and %v: wanted one after the new start, and that soon", fromThen.First, asked.First)
	}
	if n := fromThen.Before.Sum(); n == 0 || fromThen.Before.Of(can.NotJudged, can.PreambleWithoutMessage, can.MessageWithoutPreamble) != n {
		t.Errorf("before the new start %v", fromThen.Before)
	}
	return true
}

// losingBus lets a logger hear a group on a bus that loses one frame in a hundred.
func losingBus(t *testing.T) {
	lose(t, "vcan1", "1%")
	d := judgeDaemon(t, "vcan1", false)
	p := newParty(t, "vcan1", 8*time.Second)
	p.devices()
	p.wait()
	d.stop(t)
	j := p.check(d, 1)
	p.figure(j, "of a bus that loses 1 % of the frames")
	if slow := p.pace(); !slow && j.Share < 0.5 {
		t.Errorf("%.2f %% of the honest listed frames are authentic", 100*j.Share)
	}
}

// TestGuestGroupSoak is the guest's part of TestSoakInTheGuestOfAGroup.
func TestGuestGroupSoak(t *testing.T) {
	roadFolder(t)
	load(t)
	length, err := time.ParseDuration(os.Getenv("CANSEAL_SOAK"))
	must(t, err)
	if _, err := os.Stat("/bin/tc"); err == nil {
		lose(t, "vcan0", "0.1%")
	} else {
		fmt.Println("no tc: nothing is lost")
	}
	loggers := map[string]*daemon{"in time": judgeDaemon(t, "vcan0", false)}
	p := newParty(t, "vcan0", length)
	p.label = "SOAK"
	p.devices()
	p.sleep(5)
	loggers["5 s late"] = judgeDaemon(t, "vcan0", false)
	p.sleep(30)
	loggers["30 s late"] = judgeDaemon(t, "vcan0", false)
	p.sleep(35)
	loggers["35 s late with one GROUP"] = judgeDaemon(t, "vcan0", true)
	p.wait()
	for _, d := range loggers {
		d.stop(t)
	}
	for who, d := range loggers {
		p.figure(p.check(d, 1), who+", 0.1 % of the frames lost")
	}
	p.pace()
}

func attacks(words ...string) []string {
	for _, a := range []string{"inject@2", "replay@2", "guess@0.5", "announce@2", "heartbeat@0.2", "alert", "abort", "flood@10"} {
		words = append(words, "--attack", a+",from=2s")
	}
	return words
}

// expect wants what a logger has to say of a group that is attacked; of a slow
// machine only that no attack passes.
func (p *party) expect(j judged, who string, slow bool) {
	p.t.Helper()
	p.figure(j, who)
	for _, problem := range j.Problems {
		if !slow || strings.Contains(problem, "passed") {
			p.t.Errorf("logger %s: %s", who, problem)
		}
	}
	for kind, tally := range j.Attacks {
		if own := simulate.Kinds[kind].Own; !slow && tally.Of(own...) == 0 {
			p.t.Errorf("logger %s: no frame of %s is called %v: %v", who, kind, own, tally)
		}
	}
	if j.Strange > 6 && !slow { // GROUP and heartbeats of a logger are in no list
		p.t.Errorf("logger %s: %d frames in the log that nobody sent", who, j.Strange)
	}
}

func (p *party) figure(j judged, who string) {
	all := j.Before.Sum() + j.Listed.Sum()
	fmt.Printf("%s logger %s: first verdict after %.2f s, authentic then %.3f %% of %d, of all listed frames %.2f %%\n",
		p.label, who, j.First.Seconds(), 100*j.Share, j.Listed.Sum(), 100*float64(j.Listed[can.Authentic])/float64(max(1, all)))
}

// truth is what all processes of the group had on the bus, by time.
func (p *party) truth() (all []simulate.Truth) {
	p.t.Helper()
	for _, name := range p.truths {
		text, err := os.ReadFile(name)
		must(p.t, err)
		list, err := simulate.ReadTruth(bytes.NewReader(text))
		must(p.t, err)
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b simulate.Truth) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// pace tells how far the heartbeats of device 1 are from the event time, and
// whether the machine was too slow for the times of the profile: a heartbeat that
// waits for the processor as long as a cycle lasts makes members disagree.
func (p *party) pace() (slow bool) {
	p.t.Helper()
	var off []time.Duration
	var last, waited int64
	for _, w := range p.truth() {
		if w.Kind == simulate.Honest && w.What != simulate.Control {
			waited = max(waited, w.Waited)
		}
		if w.What == simulate.Heartbeat && w.By == 1 {
			if d := (time.Duration(w.Time-last) - time.Second).Abs(); d < 300*time.Millisecond { // not over a new start
				off = append(off, d)
			}
			last = w.Time
		}
	}
	if slices.Sort(off); len(off) > 0 {
		fmt.Printf("%s heartbeats of a device: %d periods, off by %v in the median, %v at most; a frame waited %v at most\n",
			p.label, len(off), off[len(off)/2], off[len(off)-1], time.Duration(waited))
	}
	return waited > int64(30*time.Millisecond)
}
