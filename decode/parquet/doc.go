// Package parquet writes tables as Parquet files, and as Arrow files, that DuckDB, Spark, Athena,
// pandas and Polars read. It alone knows Apache Arrow.
//
//	table.Type   Parquet                        Arrow
//	Time         INT64 TIMESTAMP(MICROS, UTC)   timestamp[us, UTC]
//	Int          INT64                          int64
//	Unsigned     INT64 INT(64, unsigned)        uint64
//	Float        DOUBLE                         double
//	Text         BYTE_ARRAY STRING              string
//	Bytes        BYTE_ARRAY                     binary
//	Bool         BOOLEAN                        bool
//
// Times are microseconds, because many readers know no nanoseconds with a time
// zone; the column t_ns beside them is exact. A table of table.InNanos has
// TIMESTAMP(NANOS, UTC) instead of both, for Polars and pyarrow: DuckDB cuts it
// to microseconds, Spark refuses it.
//
// A Write is a row group, with one page for each column, compressed with snappy:
//
//	dictionary            texts, identifiers, signals of at most 16 bits, unless
//	                      their values differ too much
//	DELTA_BINARY_PACKED   times
//	PLAIN                 all else
//
// The library writes schema, page headers and the end of the file. The bytes of
// pages are made here (encode.go): from raw values to codes, and from codes to
// bits, without a call for each value.
//
// The same rows give the same bytes.
//
// Arrow writes Arrow IPC files (Feather version 2) for pandas and Polars: a
// Write is a record batch, not compressed, times are timestamp[ns, UTC], and the
// column t_ns is left out.
//
// # Metadata
//
// Of the file: the schema's properties (message, dbc, dbc_sha256...), and
// ARROW:schema, from which Arrow readers have the metadata of fields:
//
//	unit      of the values
//	comment   of the DBC file
//	choices   JSON: descriptions by raw value, {"0":"off","1":"on"}
//
// The property "columns" has the same as JSON for other readers.
package parquet
