package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"canseal/can/socketcan"
	"canseal/cmd/internal/appliance"
	"canseal/link/probe"
)

// probeFlags are the words of canseal probe.
type probeFlags struct {
	iface, logger, serial, name, certificate, key, trust string
	baud                                                 int
	half, quiet                                          bool
}

func probeCommand() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "carry the frames of a bus on this machine to a logger elsewhere",
		Long: `Probe reads a CAN interface, and carries its frames, error messages, losses and states to a canseald that has a bus with
interface "probe:NAME", over UDP or a serial line, until it is interrupted. NAME stands in the probe's certificate; canseal certs issue
makes those of both sides. What the link cannot carry at once is kept (4,096 batches) and sent again; what is lost for good is a gap
record in the logger's segments. docs/probe.md has the whole of it.`,
		Example: `  canseal probe --interface can0 --logger 192.0.2.7:4647 --certificate roof.crt --key roof.key --trust root.crt
  canseal probe --interface can0 --serial /dev/ttyUSB0 --baud 921600 --certificate roof.crt --key roof.key --trust root.crt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runProbe(cmd, &f) },
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVar(&f.iface, "interface", "", "CAN `interface` of this machine")
	set.StringVar(&f.logger, "logger", "", "`HOST:PORT` of the logger, UDP")
	set.StringVar(&f.serial, "serial", "", "`device` of the serial line to the logger")
	set.IntVar(&f.baud, "baud", 115200, "of the line, 9600 to 921600")
	set.BoolVar(&f.half, "half-duplex", false, "RS485: the logger polls")
	set.StringVar(&f.name, "name", "logger", "`name` in the logger's certificate")
	set.StringVar(&f.certificate, "certificate", "", "`file` of the probe's certificate, PEM")
	set.StringVar(&f.key, "key", "", "`file` of its key")
	set.StringVar(&f.trust, "trust", "", "`file` of the root that the logger's certificate leads to")
	set.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing")
	return cmd
}

func runProbe(cmd *cobra.Command, f *probeFlags) error {
	switch {
	case f.iface == "":
		return appliance.Usage(errors.New("wanted --interface"))
	case (f.logger == "") == (f.serial == ""):
		return appliance.Usage(errors.New("wanted --logger or --serial, one of them"))
	case f.baud < 9600 || f.baud > 921600:
		return appliance.Usage(fmt.Errorf("--baud: found %d, wanted 9600 to 921600", f.baud))
	case f.serial == "" && (cmd.Flags().Changed("baud") || f.half):
		return appliance.Usage(errors.New("--baud and --half-duplex are for --serial"))
	case f.certificate == "" || f.key == "" || f.trust == "":
		return appliance.Usage(errors.New("wanted --certificate, --key and --trust (canseal certs issue makes them: docs/probe.md)"))
	}
	who, err := probeIdentity(f)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if !f.quiet {
		log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	}
	client, err := openProbe(f, probe.ClientOptions{Identity: who, Logger: f.name, Log: log})
	if err != nil {
		return err
	}
	source, err := socketcan.Open(socketcan.Options{Interfaces: []socketcan.Interface{{Name: f.iface, Bus: 1, ErrorFrames: true}}, Log: log})
	if err != nil {
		return err
	}
	go sayProbe(cmd.Context(), client, log)
	return client.Run(cmd.Context(), source)
}

func probeIdentity(f *probeFlags) (probe.Identity, error) {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return probe.Identity{}, fmt.Errorf("--certificate, --key: %w", err)
	}
	text, err := os.ReadFile(f.trust)
	if err != nil {
		return probe.Identity{}, fmt.Errorf("--trust: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return probe.Identity{}, fmt.Errorf("--trust %s: found no certificate, wanted one in PEM", f.trust)
	}
	return probe.Identity{Certificate: pair, Roots: roots}, nil
}

func openProbe(f *probeFlags, o probe.ClientOptions) (*probe.Client, error) {
	if f.serial != "" {
		line, err := probe.OpenLine(probe.LineOptions{Name: f.serial, Baud: f.baud, HalfDuplex: f.half})
		if err != nil {
			return nil, err
		}
		return probe.NewLineClient(line, o), nil
	}
	addr, err := net.ResolveUDPAddr("udp", f.logger)
	if err != nil {
		return nil, fmt.Errorf("--logger: %w; wanted HOST:PORT", err)
	}
	socket, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return nil, err
	}
	o.Addr = addr
	return probe.NewUDPClient(socket, o), nil
}

// sayProbe tells each ten seconds how it goes.
func sayProbe(ctx context.Context, c *probe.Client, log *slog.Logger) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n := c.Counts()
			log.Info("probe", "events", n.Events, "batches", n.Batches, "waiting", n.Waiting, "dropped", n.Dropped)
		case <-ctx.Done():
			return
		}
	}
}
