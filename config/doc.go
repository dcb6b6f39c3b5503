// Package config is every setting of canseal: one YAML file, read strictly,
// with every problem told at once.
//
//	c, problems := config.Parse(file)
//	for _, p := range problems {
//		fmt.Println(p.In("config.yaml")) // config.yaml:12:5: log.split_size: found "2GB", wanted a size from 1MB to 512MB
//	}
//
// # The table
//
// The structs of config.go are the one table of settings. From their tags come
// the walk over the file (Parse), the defaults (Default), the scopes (Fields,
// ScopeOf, Touches) and the JSON Schema (Schema). What a setting is for stands
// in the comments of reference.yaml, which canseal config init writes
// (Reference); tests hold it against the table. Rules that need more than one
// value are in rules.go. A new setting is a field there, a line in
// reference.yaml, and a rule if it needs one; it goes into an existing section,
// and into docs/formats.md C8.
//
// # How values are written
//
//	sizes        32MB 16MiB          kB MB GB of 1000s, KiB MiB GiB of 1024s
//	times        100ms 30d           ms s m h d; one unit, decimals if they come out even
//	bit rates    500k 33.333k 2M
//	reserve      5% 2GB              a share of the card, or a size
//	identifiers  11:0x7E8 29:0x18FEF100, ranges 11:0x100-0x1FF, masks 29:0x00FEF100/0x00FFFF00
//	payloads     "0201050000000000"  pairs of hex digits, at most 64
//	secrets      the value, {file: PATH}, {env: NAME}, stored
//
// Numbers are decimal and without leading zeros; a number never goes without
// its unit where there is one. The text of a value counts, not the type that
// YAML sees in it: 010 is refused where a number is wanted, and is no 8.
//
// # Strictness
//
// Refused are unknown keys (with the one that may have been meant), repeated
// keys, a second document, anchors, aliases, tags, merge keys, a file of a
// newer version (alone, since the rest cannot be judged), more than MaxSize
// bytes, and text that is not UTF-8; UTF-16 is called by its name. Taken are a
// byte order mark, CR LF, JSON, and the words false and true where YAML 1.1
// programs write them for off and on. An optional section without keys counts
// as absent.
//
// One mistake is told once: a rule is silent about values that have a problem
// already. Problems never hold a secret, also where a secret breaks the YAML.
//
// # Secrets
//
// A Secret prints itself as [secret], whatever prints it. A secret by value is
// moved into the state folder: make it durable there (Secret.Resolve tells
// it), then write the file that Adopt returns, in which the word stored stands
// in its place and every other byte is the same.
//
// # Over the air
//
// Each setting has a scope: Local, Signed or Air. Touches compares two
// configurations by effective values and says which scope each change needs:
// raising upload.mode or a setting of section tls is Signed, lowering it
// Local, and leaving listen-only is Local.
package config
