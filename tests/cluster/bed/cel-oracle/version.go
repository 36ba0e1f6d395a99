package main

import (
	"context"

	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

const newest = "1.36"

func baseEnvironment(of *version.Version) *environment.EnvSet { return environment.MustBaseEnvSet(of) }

func newComposition(compiler *plugin.CompositedCompiler) plugin.CompositionContext {
	return compiler.CreateContext(context.Background())
}

func declarations(of plugin.OptionalVariableDeclarations) plugin.OptionalVariableDeclarations {
	return of
}
