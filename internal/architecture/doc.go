// Package architecture holds the house's import table to its word. It has
// tests only.
//
//	can            ─► nothing of ours             can/socketcan, can/sim ─► can
//	mdf            ─► can                         segment       ─► internal/durable
//	mdf/buslog     ─► can, mdf                    mdf/container ─► nothing of ours
//	logger         ─► segment, mdf, can, internal uploader      ─► segment, internal
//	uploader/s3    ─► uploader, certs, internal   certs, config ─► internal
//	decode         ─► mdf, can, decode/*          decode/dbc, decode/j1939, decode/isotp ─► can
//	decode/input   ─► can, mdf, mdf/*
//	internal/*     ─► internal and the standard library
//	cmd/internal/appliance ─► all but decode      cmd/*         ─► all
//
// Arrows run one way. Each outside library has one owner. The daemon links
// neither the embedded store nor Arrow.
package architecture
