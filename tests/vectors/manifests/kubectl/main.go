// Says what Kubernetes clients make of YAML texts: one JSON string a line in, one JSON object a line out,
// with the text and either the JSON value ("json") or the error ("error").
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	Text  string          `json:"yaml"`
	Value json.RawMessage `json:"json,omitempty"`
	Error string          `json:"error,omitempty"`
}

func read(text string) (result answer) {
	result.Text = text
	defer func() {
		if failed := recover(); failed != nil {
			result.Error = fmt.Sprint(failed)
		}
	}()
	value, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.Value = value
	return result
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if err := out.Encode(read(text)); err != nil {
			panic(err)
		}
	}
}
