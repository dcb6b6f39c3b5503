// Package config is every setting of canseal: one YAML file, read strictly.
package config
