package appliance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"canseal/config"
	"canseal/internal/durable"
)

// Names on the card and in the state folder (docs/formats.md C5).
const (
	configFile = "config.yaml"
	schemaFile = "config.schema.json"
	bundleFile = "certs_server.p7b"
	secretFile = "s3.secret"
)

// maxConfig is the largest configuration file in bytes.
const maxConfig = 256 << 10

// StateDir is the folder of secrets and counters: the one named, else
// systemd's, else a folder on the card itself.
func StateDir(root, named string) string {
	if named != "" {
		return named
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return filepath.Join(root, "state")
}

// stateThere wants a state folder that exists: a name that is mistyped or left
// out shall not begin another one.
func stateThere(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%w; name the folder that canseald works with: --state", err)
	}
	return nil
}

// settings is the configuration in force.
type settings struct {
	*config.Config
	file   []byte
	onCard bool // it is ROOT/config.yaml, and may be written
	// dial is Options.dial.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// SHA256 is the hash of the file, in hex.
func (s *settings) SHA256() string {
	sum := sha256.Sum256(s.file)
	return hex.EncodeToString(sum[:])
}

// CRC32 is the checksum that CANedge tools look at.
func (s *settings) CRC32() uint32 { return crc32.ChecksumIEEE(s.file) }

// ConfigError lists everything that is wrong with a configuration.
type ConfigError struct {
	File     string
	Problems []config.Problem
}

func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.In(e.File)
	}
	head := fmt.Sprintf("%s cannot be used as it is: %d problems", e.File, len(e.Problems))
	if len(e.Problems) == 1 {
		head = fmt.Sprintf("%s cannot be used as it is", e.File)
	}
	return head + "\n  " + strings.Join(lines, "\n  ")
}

// CheckConfig returns all that stands against starting with a file: what is
// wrong in it, else what it asks for that this version does not do.
func CheckConfig(file []byte) (*config.Config, []config.Problem) {
	c, problems := config.Parse(file)
	if len(problems) > 0 {
		return nil, problems
	}
	if problems := slices.Concat(notInThisVersion(c), unjudgeable(c), unsendable(c)); len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// noConfiguration says what to do where there is none.
func noConfiguration(name string) error {
	return fmt.Errorf("no configuration at %s: write one with `canseal config init -o %s`", name, name)
}

// loadSettings reads the configuration: the file named, else the card's.
func loadSettings(card durable.FS, o Options) (*settings, error) {
	s := &settings{onCard: o.ConfigFile == "", dial: o.dial}
	name := o.ConfigFile
	var err error
	if s.onCard {
		name = filepath.Join(o.Root, configFile)
		s.file, err = durable.ReadFile(card, configFile, maxConfig)
	} else {
		s.file, err = readLimited(name, maxConfig)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = noConfiguration(name)
	}
	if err != nil {
		return nil, &exitError{ExitConfig, err}
	}
	var problems []config.Problem
	if s.Config, problems = CheckConfig(s.file); len(problems) > 0 {
		return nil, &exitError{ExitConfig, &ConfigError{name, problems}}
	}
	return s, nil
}

func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: wanted at most %d bytes", name, limit)
	}
	return b, err
}

// adopt moves a secret that stands in config.yaml into the state folder: it is
// durable there before its place in the file says `stored`.
func (s *settings) adopt(card, state durable.FS, log *slog.Logger) error {
	if !s.Upload.SecretKey.ByValue() {
		return nil
	}
	secret, err := s.Upload.SecretKey.Resolve(nil, nil)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(state, secretFile, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("move the secret: %w", err)
	}
	if !s.onCard {
		log.Warn("the secret stands in a configuration file that is only read", "advice", "write `secret_key: stored` there")
		return nil
	}
	file, err := config.Adopt(s.file, "upload.secret_key")
	if err != nil {
		return fmt.Errorf("move the secret: %w", err)
	}
	if err := durable.WriteFile(card, configFile, file, modeOf(card, configFile)); err != nil {
		log.Warn("the secret stays in config.yaml: the card cannot be written", "error", err)
		return nil
	}
	s.file = file
	if c, problems := config.Parse(file); len(problems) == 0 {
		s.Config = c // it says stored, as every later version does
	}
	log.Info("the secret was moved from config.yaml to the state folder", "advice", "flash does not forget: change that secret")
	return nil
}

// modeOf is the mode that a file has now.
func modeOf(fsys durable.FS, name string) fs.FileMode {
	if info, err := fsys.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o600
}

// secretKey resolves the S3 secret from the source that the file names.
func (s *settings) secretKey(state durable.FS) (string, error) {
	stored := func() ([]byte, error) {
		b, err := durable.ReadFile(state, secretFile, 4096)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("the state folder has no secret: name the right one with --state, or write the secret into config.yaml once")
		}
		return b, err
	}
	return s.Upload.SecretKey.Resolve(stored, os.Getenv)
}

// writeSchema puts the JSON Schema beside the configuration, for editors.
func writeSchema(card durable.FS) error {
	old, err := durable.ReadFile(card, schemaFile, 1<<20)
	if err == nil && bytes.Equal(old, config.Schema()) {
		return nil
	}
	return durable.WriteFile(card, schemaFile, config.Schema(), 0o644)
}
