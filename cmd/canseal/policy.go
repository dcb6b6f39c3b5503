package main

import (
	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/uploader/s3"
)

func s3Policy() *cobra.Command {
	var o appliance.Options
	var p s3.PolicyOptions
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "print the bucket policy of least rights for one device",
		Long: `Policy prints the bucket policy under which a device can do all that canseald does, and no more: it writes its own segments and facts, reads what is below its own name,
and never deletes, nor writes settings. Bucket, prefix, device and access key come from the card; options win. Without --operator nobody is allowed to write settings by this policy.
A policy without --conditional lets a device write over its own segments; versioning or object lock help against a stolen key pair. --conditional is for stores that know s3:if-none-match (AWS).`,
		Example: "  canseal s3 policy --root /media/card --operator OPERATORKEY > policy.json\n  canseal s3 policy --bucket trucks --device A1B2C3D4 --key AKTRUCK1 --tls-only",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := appliance.CompletePolicy(o, &p); err != nil {
				return err
			}
			_, err := cmd.OutOrStdout().Write(s3.Policy(p))
			return err
		},
	}
	cmd.Flags().StringVar(&o.Root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().StringVar(&o.ConfigFile, "config", "", "configuration file (default ROOT/config.yaml)")
	cmd.Flags().StringVar(&o.StateDir, "state", "", "state folder (default $STATE_DIRECTORY, else ROOT/state)")
	cmd.Flags().StringVar(&p.Bucket, "bucket", "", "bucket (default: of the configuration)")
	cmd.Flags().StringVar(&p.Prefix, "prefix", "", "prefix of all keys (default: of the configuration)")
	cmd.Flags().StringVar(&p.Device, "device", "", "DEVICEID (default: of the card)")
	cmd.Flags().StringVar(&p.Key, "key", "", "who the device is for the store: its access key, on AWS an ARN (default: the access key of the configuration)")
	cmd.Flags().StringVar(&p.Operator, "operator", "", "who writes settings, the same way")
	cmd.Flags().BoolVar(&p.TLSOnly, "tls-only", false, "refuse plain HTTP; not behind a proxy that ends TLS")
	cmd.Flags().BoolVar(&p.Conditional, "conditional", false, "refuse to write over own segments, where the store knows s3:if-none-match")
	return cmd
}
