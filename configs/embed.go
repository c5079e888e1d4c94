package configs

import _ "embed"

var (
	//go:embed examples/cmkd.yaml
	example string
	//go:embed examples/minimal.yaml
	minimal string
	//go:embed cmkd.schema.json
	schema string
)

// Example returns the example of /etc/cmkd/cmkd.yaml, which documents every
// option.
func Example() string { return example }

// Minimal returns the shortest configuration that is of use.
func Minimal() string { return minimal }

// Schema returns the JSON schema of the configuration, for editors. It is
// generated from the types: `go test ./configs -run Schema -update`.
func Schema() string { return schema }
