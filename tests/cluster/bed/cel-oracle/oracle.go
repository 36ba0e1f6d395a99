package main

import (
	"fmt"
	"slices"
	"time"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Oracle keeps what is costly to make: compilers for each version, and bindings that many requests share.
type Oracle struct {
	compilers map[string]*plugin.CompositedCompiler
	bindings  map[string]*bindings
}

func newOracle() *Oracle {
	return &Oracle{compilers: map[string]*plugin.CompositedCompiler{}, bindings: map[string]*bindings{}}
}

func (o *Oracle) do(request Request) (Answer, error) {
	switch request.Mode {
	case "", "eval":
		return o.evaluate(request)
	case "compile":
		return o.compileOnly(request)
	case "keep":
		read, err := readBindings(request.Bindings)
		if err != nil {
			return Answer{}, err
		}
		o.bindings[request.Name] = read
		return Answer{Kept: request.Name}, nil
	case "bench":
		return o.bench(request)
	case "bench-compile":
		return o.benchCompile(request)
	}
	return Answer{}, fmt.Errorf("no mode `%s`", request.Mode)
}

// accessor is an expression as the compiler wants it.
type accessor struct {
	name, expression string
	returns          []*celgo.Type
}

func (a *accessor) GetName() string            { return a.name }
func (a *accessor) GetExpression() string      { return a.expression }
func (a *accessor) ReturnTypes() []*celgo.Type { return a.returns }

var returnTypes = map[string]*celgo.Type{
	"":        celgo.AnyType,
	"any":     celgo.AnyType,
	"bool":    celgo.BoolType,
	"string":  celgo.StringType,
	"patches": celgo.ListType(types.NewObjectType("JSONPatch")),
	"object":  types.NewObjectType("Object"),
}

// compiled is an expression with the compiler whose variables it may name.
type compiled struct {
	result   plugin.CompilationResult
	compiler *plugin.CompositedCompiler
}

func (o *Oracle) compile(request Request) (compiled, error) {
	compiler, mode, err := o.compiler(request)
	if err != nil {
		return compiled{}, err
	}
	wanted, known := returnTypes[request.Returns]
	if !known {
		return compiled{}, fmt.Errorf("no return type `%s`", request.Returns)
	}
	options := declarations(plugin.OptionalVariableDeclarations{
		HasParams:     !slices.Contains(request.Without, "params"),
		HasAuthorizer: !slices.Contains(request.Without, "authorizer"),
	})
	for _, v := range request.Policy { // variables have no patch types, as in the plugin of mutating policies
		compiler.CompileAndStoreVariable(&accessor{v.Name, v.Expression, []*celgo.Type{celgo.AnyType}}, options, mode)
	}
	options.HasPatchTypes = request.Patches
	expression := &accessor{"", request.Expr, []*celgo.Type{wanted}}
	return compiled{compiler.CompileCELExpression(expression, options, mode), compiler}, nil
}

// compiler is a shared one, or a new one when the policy has variables, because those are stored in it.
func (o *Oracle) compiler(request Request) (*plugin.CompositedCompiler, environment.Type, error) {
	mode, wanted := environment.StoredExpressions, newest
	if request.Version != "" {
		mode, wanted = environment.NewExpressions, request.Version
	}
	if shared := o.compilers[wanted]; shared != nil && len(request.Policy) == 0 {
		return shared, mode, nil
	}
	parsed, err := version.ParseGeneric(wanted)
	if err != nil {
		return nil, mode, err
	}
	made, err := plugin.NewCompositedCompiler(baseEnvironment(parsed))
	if err == nil && len(request.Policy) == 0 {
		o.compilers[wanted] = made
	}
	return made, mode, err
}

func (o *Oracle) compileOnly(request Request) (Answer, error) {
	made, err := o.compile(request)
	if err != nil {
		return Answer{}, err
	}
	return compileAnswer(made.result), nil
}

func compileAnswer(result plugin.CompilationResult) Answer {
	if result.Error != nil {
		return Answer{CompileErr: result.Error.Detail}
	}
	return Answer{Type: result.OutputType.String()}
}

func (o *Oracle) bound(request Request) (*bindings, error) {
	if request.Use == "" {
		return readBindings(request.Bindings)
	}
	if kept := o.bindings[request.Use]; kept != nil {
		return kept, nil
	}
	return nil, fmt.Errorf("no bindings were kept as `%s`", request.Use)
}

func (o *Oracle) evaluate(request Request) (Answer, error) {
	bound, err := o.bound(request)
	if err != nil {
		return Answer{}, err
	}
	made, err := o.compile(request)
	if err != nil {
		return Answer{}, err
	}
	answer := compileAnswer(made.result)
	if made.result.Error != nil {
		return answer, nil
	}
	composition := newComposition(made.compiler)
	value, details, err := made.result.Program.ContextEval(composition, bound.activation(composition))
	if details != nil {
		answer.Cost = details.ActualCost()
	}
	if len(request.Policy) > 0 {
		spent := composition.GetAndResetCost()
		answer.Variables = &spent
	}
	if err != nil {
		answer.Err = err.Error()
		return answer, nil
	}
	answer.Val = tagged(value)
	if request.Patches {
		answer.Patch, answer.PatchErr = patch(value)
	}
	return answer, nil
}

// bench evaluates as one request to the API server does: a fresh activation each time, its values made beforehand.
func (o *Oracle) bench(request Request) (Answer, error) {
	bound, err := o.bound(request)
	if err != nil {
		return Answer{}, err
	}
	made, err := o.compile(request)
	if err != nil {
		return Answer{}, err
	}
	if made.result.Error != nil {
		return compileAnswer(made.result), nil
	}
	return request.measured(func() error {
		composition := newComposition(made.compiler)
		_, _, err := made.result.Program.ContextEval(composition, bound.activation(composition))
		return err
	})
}

func (o *Oracle) benchCompile(request Request) (Answer, error) {
	return request.measured(func() error {
		made, err := o.compile(request)
		if err == nil && made.result.Error != nil {
			err = made.result.Error
		}
		return err
	})
}

// measured reports nanoseconds of one call, in the best of the rounds.
func (r Request) measured(call func() error) (Answer, error) {
	if r.Count < 1 {
		return Answer{}, fmt.Errorf("a bench needs a `count`")
	}
	best := 0.0
	for range max(r.Rounds, 1) {
		started := time.Now()
		for range r.Count {
			if err := call(); err != nil {
				return Answer{Err: err.Error()}, nil
			}
		}
		spent := float64(time.Since(started).Nanoseconds()) / float64(r.Count)
		if best == 0 || spent < best {
			best = spent
		}
	}
	return Answer{Ns: best}, nil
}
