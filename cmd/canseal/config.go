package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/config"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "write, check and describe config.yaml"}
	cmd.AddCommand(configInit(), configCheck(), configSchema(), configShow(), configReload(), configRollback())
	return cmd
}

func configInit() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "write a config.yaml with every setting and its default",
		Long:    "Init writes the reference configuration: every setting with its default and what it means. Four lines must be filled in before canseald starts with it; `canseal config check` names them.",
		Example: "  canseal config init > config.yaml\n  canseal config init -o /media/card/config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				_, err := cmd.OutOrStdout().Write(config.Reference())
				return err
			}
			return writeNewFile(out, config.Reference())
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write; it must not exist")
	return cmd
}

// writeNewFile never overwrites what an operator has written.
func writeNewFile(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and is never written over: another name, or move it away first", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func configSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "print the JSON Schema of config.yaml, for editors",
		Example: "  canseal config schema > config.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}

func configCheck() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "list everything that is wrong with a configuration",
		Long: `Check reads a configuration as canseald does and lists every problem with its place, what was found and what is
wanted; what it asks for that this version does not do counts as a problem. FILE defaults to ROOT/config.yaml. The trust bundle
beside it is looked at too. Exit code 3 when there are problems.`,
		Example: "  canseal config check\n  canseal config check /media/card/config.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if at.far() {
				return checkAfar(cmd, &at, args, asJSON)
			}
			file := filepath.Join(at.root, "config.yaml")
			if len(args) == 1 {
				file = args[0]
			}
			if info, err := os.Stat(file); err == nil && info.IsDir() {
				file = filepath.Join(file, "config.yaml")
			}
			return checkConfig(cmd.OutOrStdout(), file, asJSON)
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkAfar checks the configuration on the card of another machine.
func checkAfar(cmd *cobra.Command, at *place, args []string, asJSON bool) error {
	if len(args) > 0 {
		return appliance.Usage(errors.New("--remote checks the configuration that is on the card there: leave FILE out"))
	}
	client, err := at.daemon()
	if err != nil {
		return err
	}
	result, err := client.CheckConfig(cmd.Context())
	if err != nil {
		return err
	}
	return printCheck(cmd.OutOrStdout(), "config.yaml", result, asJSON)
}

func checkConfig(w io.Writer, file string, asJSON bool) error {
	result, err := appliance.Check(file)
	if err != nil {
		return appliance.WithExit(appliance.ExitConfig, err)
	}
	return printCheck(w, file, result, asJSON)
}

func printCheck(w io.Writer, file string, result *appliance.CheckResult, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, result); err != nil {
			return err
		}
	} else {
		for _, p := range result.Problems {
			fmt.Fprintln(w, p.In(file))
		}
		for _, note := range result.Notes {
			fmt.Fprintln(w, "note: "+note)
		}
		if len(result.Problems) == 0 {
			fmt.Fprintf(w, "%s: good\n", file)
		}
	}
	if len(result.Problems) > 0 {
		return appliance.WithExit(appliance.ExitConfig, errReported)
	}
	return nil
}
