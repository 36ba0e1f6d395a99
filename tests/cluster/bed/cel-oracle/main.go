// The CEL of the Kubernetes API server, asked over a pipe: one JSON object a line in, one out, in order.
//
// It compiles and evaluates with the packages that the admission plugins themselves use, so what it answers is what a
// ValidatingAdmissionPolicy or MutatingAdmissionPolicy would have got. It decides nothing on its own; the one thing
// made up is the authorizer, which says back what it was asked (see authorizer.go).
//
//	{"expr": "1 + 1"}                              {"val": {"t": "int", "v": "2"}, "type": "int", "cost": 1}
//	{"expr": "1 / 0"}                              {"err": "division by zero", "type": "int", "cost": 1}
//	{"expr": "1 / ''"}                             {"compile_err": "compilation failed: ..."}
//	{"mode": "keep", "name": "n", "bindings": {}}  {"kept": "n"}
//	{"mode": "bench", "expr": "1", "count": 1000}  {"ns": 153.2}
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Request is one line of input. Unknown fields are errors, because a misspelt one would quietly ask something else.
type Request struct {
	ID       json.RawMessage `json:"id"`
	Mode     string          `json:"mode"` // eval (default), compile, keep, bench, bench-compile
	Expr     string          `json:"expr"`
	Returns  string          `json:"returns"` // any (default), bool, string, patches, object
	Version  string          `json:"version"` // libraries of a NEW expression in that version; default: all of 1.36
	Patches  bool            `json:"patches"` // Object{} and JSONPatch{}, as mutations have
	Without  []string        `json:"without"` // params, authorizer: variables that shall not be declared
	Policy   []Variable      `json:"variables"`
	Bindings json.RawMessage `json:"bindings"` // object, oldObject, params, request, namespaceObject
	Name     string          `json:"name"`     // of bindings to keep
	Use      string          `json:"use"`      // the name of kept bindings
	Count    int             `json:"count"`    // evaluations of one round
	Rounds   int             `json:"rounds"`   // of which the best counts
}

// Variable is one of a policy's `variables`, which expressions name as `variables.<name>`.
type Variable struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

// Answer is one line of output: a value, an error or a compile error; never two of them.
type Answer struct {
	ID         json.RawMessage `json:"id,omitempty"`
	Val        *Tagged         `json:"val,omitempty"`
	Err        string          `json:"err,omitempty"`
	CompileErr string          `json:"compile_err,omitempty"`
	Type       string          `json:"type,omitempty"`
	Cost       *uint64         `json:"cost,omitempty"`
	Variables  *int64          `json:"variables_cost,omitempty"` // of the policy's variables that were evaluated
	Patch      any             `json:"patch,omitempty"`          // what a mutation would apply
	PatchErr   string          `json:"patch_err,omitempty"`
	Kept       string          `json:"kept,omitempty"`
	Ns         float64         `json:"ns,omitempty"`
	Failure    string          `json:"failure,omitempty"` // the request itself was bad
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriterSize(os.Stdout, 1<<20)
	oracle := newOracle()
	for {
		line, err := input.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := write(output, oracle.answer(line)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		output.Flush() // so that the first question without an answer is the one being thought about
		if err == io.EOF {
			return
		}
	}
}

func write(output io.Writer, answer Answer) error {
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}

// answer never panics: what would crash the API server's handler is reported as such.
func (o *Oracle) answer(line []byte) (answer Answer) {
	var request Request
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return Answer{Failure: err.Error()}
	}
	defer func() {
		if crash := recover(); crash != nil {
			answer = Answer{Err: fmt.Sprintf("PANIC %v", crash)}
		}
		answer.ID = request.ID
	}()
	answer, err := o.do(request)
	if err != nil {
		return Answer{Failure: err.Error()}
	}
	return answer
}
