package main

import (
	"context"
	"errors"
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// echo decides by the verb alone and gives what it was asked as its reason, so that a reader sees the attributes:
// `get` and `list` are allowed, `delete` is denied, `explode` is an error, the rest gets no opinion. Selectors are left
// out, because only the API server's authorizers have them parsed.
type echo struct{}

func (echo) Authorize(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	question := describe(asked)
	switch asked.GetVerb() {
	case "get", "list":
		return authorizer.DecisionAllow, question, nil
	case "delete":
		return authorizer.DecisionDeny, question, nil
	case "explode":
		return authorizer.DecisionNoOpinion, question, errors.New("exploded")
	}
	return authorizer.DecisionNoOpinion, question, nil
}

func describe(asked authorizer.Attributes) string {
	who := asked.GetUser()
	parts := []string{"user=" + who.GetName(), "groups=" + strings.Join(who.GetGroups(), ","), "verb=" + asked.GetVerb()}
	if !asked.IsResourceRequest() {
		return strings.Join(append(parts, "path="+asked.GetPath()), " ")
	}
	parts = append(parts,
		"group="+asked.GetAPIGroup(), "resource="+asked.GetResource(), "subresource="+asked.GetSubresource(),
		"namespace="+asked.GetNamespace(), "name="+asked.GetName())
	return strings.Join(parts, " ")
}
