package parquet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"canseal/decode/table"
)

// kind is what a table.Type is in both worlds. Logical is nil where the
// physical type says all.
type kind struct {
	physical parquet.Type
	logical  schema.LogicalType
	arrow    arrow.DataType
}

func kindOf(t table.Type) kind {
	switch t {
	case table.Time:
		return kind{parquet.Types.Int64, schema.NewTimestampLogicalType(true, schema.TimeUnitMicros), arrow.FixedWidthTypes.Timestamp_us}
	case table.Nanos:
		return kind{parquet.Types.Int64, schema.NewTimestampLogicalType(true, schema.TimeUnitNanos), arrow.FixedWidthTypes.Timestamp_ns}
	case table.Unsigned:
		return kind{parquet.Types.Int64, schema.NewIntLogicalType(64, false), arrow.PrimitiveTypes.Uint64}
	case table.Float:
		return kind{parquet.Types.Double, nil, arrow.PrimitiveTypes.Float64}
	case table.Text:
		return kind{parquet.Types.ByteArray, schema.StringLogicalType{}, arrow.BinaryTypes.String}
	case table.Bytes:
		return kind{parquet.Types.ByteArray, nil, arrow.BinaryTypes.Binary}
	case table.Bool:
		return kind{parquet.Types.Boolean, nil, arrow.FixedWidthTypes.Boolean}
	default:
		return kind{parquet.Types.Int64, nil, arrow.PrimitiveTypes.Int64}
	}
}

// nodes describes the columns of the file.
func nodes(columns []table.Column) (*schema.GroupNode, error) {
	var fields schema.FieldList
	for i := range columns {
		c, k := &columns[i], kindOf(columns[i].Type)
		repetition := parquet.Repetitions.Required
		if c.Nullable {
			repetition = parquet.Repetitions.Optional
		}
		var logical schema.LogicalType = schema.NoLogicalType{}
		if k.logical != nil {
			logical = k.logical
		}
		node, err := schema.NewPrimitiveNodeLogical(clean(c.Name), repetition, logical, k.physical, -1, -1)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		fields = append(fields, node)
	}
	return schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
}

// facts are the metadata of the file.
func facts(s *table.Schema) (metadata.KeyValueMetadata, error) {
	pairs := metadata.NewKeyValueMetadata()
	add := func(key, value string) error { return pairs.Append(key, clean(value)) }
	for _, p := range s.Properties {
		if err := add(p[0], p[1]); err != nil {
			return nil, err
		}
	}
	columns, err := json.Marshal(describe(s.Columns))
	if err != nil {
		return nil, err
	}
	if err := add("columns", string(columns)); err != nil {
		return nil, err
	}
	arrowText, err := schemaText(s)
	if err != nil {
		return nil, err
	}
	return pairs, add("ARROW:schema", arrowText)
}

// clean makes text valid UTF-8, which a Parquet file must have.
func clean(s string) string { return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD"))) }

type columnFacts struct {
	Name    string            `json:"name"`
	Unit    string            `json:"unit,omitempty"`
	Comment string            `json:"comment,omitempty"`
	Choices map[string]string `json:"choices,omitempty"`
}

func describe(columns []table.Column) (all []columnFacts) {
	for i := range columns {
		c := &columns[i]
		all = append(all, columnFacts{c.Name, c.Unit, c.Comment, choices(c)})
	}
	return all
}

func choices(c *table.Column) map[string]string {
	all := map[string]string{}
	for _, choice := range c.Choices {
		all[strconv.FormatInt(choice.Value, 10)] = choice.Text
	}
	return all
}

// arrowSchema describes the columns for Arrow; clock is the type of times.
func arrowSchema(columns []table.Column, facts [][2]string, clock arrow.DataType) (*arrow.Schema, error) {
	var fields []arrow.Field
	for i := range columns {
		c := &columns[i]
		m, err := fieldFacts(c)
		if err != nil {
			return nil, err
		}
		as := kindOf(c.Type).arrow
		if c.Type == table.Time {
			as = clock
		}
		fields = append(fields, arrow.Field{Name: clean(c.Name), Type: as, Nullable: c.Nullable, Metadata: m})
	}
	var keys, values []string
	for _, p := range facts {
		keys, values = append(keys, p[0]), append(values, clean(p[1]))
	}
	m := arrow.NewMetadata(keys, values)
	return arrow.NewSchema(fields, &m), nil
}

// schemaText is the value of ARROW:schema: a stream of the schema alone.
func schemaText(s *table.Schema) (string, error) {
	described, err := arrowSchema(s.Columns, s.Properties, arrow.FixedWidthTypes.Timestamp_us)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := ipc.NewWriter(&b, ipc.WithSchema(described)).Close(); err != nil {
		return "", fmt.Errorf("describe %s: %w", s.Name, err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func fieldFacts(c *table.Column) (arrow.Metadata, error) {
	var keys, values []string
	add := func(key, value string) {
		if value != "" {
			keys, values = append(keys, key), append(values, clean(value))
		}
	}
	add("unit", c.Unit)
	add("comment", c.Comment)
	if len(c.Choices) > 0 {
		text, err := json.Marshal(choices(c))
		if err != nil {
			return arrow.Metadata{}, err
		}
		add("choices", string(text))
	}
	return arrow.NewMetadata(keys, values), nil
}
