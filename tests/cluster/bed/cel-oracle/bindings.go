package main

import (
	"encoding/json"

	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/library"
)

// bindings are the values of one admission request, decoded as unstructured objects are: integers stay int64.
type bindings struct {
	Object          any
	OldObject       any
	Params          any
	Request         any
	NamespaceObject any

	authorizer, requestResource any
}

func readBindings(text json.RawMessage) (*bindings, error) {
	values := map[string]any{}
	if len(text) > 0 {
		if err := utiljson.Unmarshal(text, &values); err != nil {
			return nil, err
		}
	}
	read := &bindings{
		Object:          values["object"],
		OldObject:       values["oldObject"],
		Params:          values["params"],
		Request:         values["request"],
		NamespaceObject: values["namespaceObject"],
	}
	request, _ := read.Request.(map[string]any)
	who, _ := request["userInfo"].(map[string]any)
	asking := userOf(who)
	read.authorizer = library.NewAuthorizerVal(asking, echo{})
	read.requestResource = library.NewResourceAuthorizerVal(asking, echo{}, target(request))
	return read, nil
}

func userOf(info map[string]any) *user.DefaultInfo {
	found := &user.DefaultInfo{Name: text(info, "username"), UID: text(info, "uid")}
	groups, _ := info["groups"].([]any)
	for _, group := range groups {
		if name, is := group.(string); is {
			found.Groups = append(found.Groups, name)
		}
	}
	return found
}

// target is what the request is about, as `authorizer.requestResource` wants it.
type target map[string]any

func (t target) GetName() string        { return text(t, "name") }
func (t target) GetNamespace() string   { return text(t, "namespace") }
func (t target) GetSubresource() string { return text(t, "subResource") }
func (t target) GetResource() schema.GroupVersionResource {
	resource, _ := t["resource"].(map[string]any)
	return schema.GroupVersionResource{
		Group: text(resource, "group"), Version: text(resource, "version"), Resource: text(resource, "resource"),
	}
}

func text(values map[string]any, name string) string {
	found, _ := values[name].(string)
	return found
}

// activation resolves the plugin's variable names, `variables` among them, which are evaluated when first read.
type activation struct {
	*bindings
	variables ref.Val
}

func (b *bindings) activation(composition plugin.CompositionContext) *activation {
	made := &activation{bindings: b}
	made.variables = composition.Variables(made)
	return made
}

func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case plugin.ObjectVarName:
		return a.Object, true
	case plugin.OldObjectVarName:
		return a.OldObject, true
	case plugin.ParamsVarName:
		return a.Params, true
	case plugin.RequestVarName:
		return a.Request, true
	case plugin.NamespaceVarName:
		return a.NamespaceObject, true
	case plugin.AuthorizerVarName:
		return a.authorizer, true
	case plugin.RequestResourceAuthorizerVarName:
		return a.requestResource, true
	case plugin.VariableVarName:
		return a.variables, true
	}
	return nil, false
}

func (a *activation) Parent() interpreter.Activation { return nil }
