// The same oracle over the API server of 1.34: all other sources are those of cel-oracle.
package main

import (
	"context"

	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

const newest = "1.34"

func baseEnvironment(of *version.Version) *environment.EnvSet {
	return environment.MustBaseEnvSet(of, true)
}

func newComposition(compiler *plugin.CompositedCompiler) plugin.CompositionContext {
	return compiler.CompositionEnv.CreateContext(context.Background())
}

func declarations(of plugin.OptionalVariableDeclarations) plugin.OptionalVariableDeclarations {
	of.StrictCost = true // of the API server that counts the cost of its own functions, too: all do by default
	return of
}
