package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// echo decides by the verb alone and gives what it was asked as its reason, so that a reader sees every attribute:
// `get` and `list` are allowed, `delete` is denied, `explode` is an error, the rest gets no opinion.
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
	fields, err := asked.GetFieldSelector()
	parts = append(parts, fmt.Sprintf("fields=%d%s", len(fields), failed(err)))
	labels, err := asked.GetLabelSelector()
	parts = append(parts, fmt.Sprintf("labels=%d%s", len(labels), failed(err)))
	return strings.Join(parts, " ")
}

func failed(err error) string {
	if err != nil {
		return "!"
	}
	return ""
}
