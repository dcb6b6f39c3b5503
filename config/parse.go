package config

// Parse reads a configuration. Either there are no problems and the
// configuration holds, or it is nil and every problem of the file is listed,
// in the order of lines.
func Parse(file []byte) (*Config, []Problem) { return nil, []Problem{{Got: "nothing"}} }
