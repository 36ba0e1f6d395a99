package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unsafe"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"google.golang.org/protobuf/types/known/structpb"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/mutation"
	"k8s.io/apiserver/pkg/cel/mutation/dynamic"
)

// longest is the size of a string that is still written out; an expression within its cost can make a gigabyte.
const longest = 1 << 20

// Tagged is a value with its type's name, so that 1, 1u and 1.0 stay apart. Numbers are written as strings.
type Tagged struct {
	T    string `json:"t"`
	Name string `json:"name,omitempty"` // of an object that the expression made
	V    any    `json:"v,omitempty"`
}

// MarshalJSON keeps false and "", which omitempty would drop; only null and none have no `v`.
func (t Tagged) MarshalJSON() ([]byte, error) {
	whole := map[string]any{"t": t.T}
	if t.Name != "" {
		whole["name"] = t.Name
	}
	if t.V != nil {
		whole["v"] = t.V
	}
	return json.Marshal(whole)
}

func tagged(value ref.Val) *Tagged {
	switch v := value.(type) {
	case types.Null:
		return &Tagged{T: "null"}
	case types.Bool:
		return &Tagged{T: "bool", V: bool(v)}
	case types.Int:
		return &Tagged{T: "int", V: strconv.FormatInt(int64(v), 10)}
	case types.Uint:
		return &Tagged{T: "uint", V: strconv.FormatUint(uint64(v), 10)}
	case types.Double:
		return &Tagged{T: "double", V: double(float64(v))}
	case types.String:
		return long("string", string(v), len(v))
	case types.Bytes:
		return long("bytes", base64.StdEncoding.EncodeToString(v), len(v))
	case types.Duration:
		return &Tagged{T: "duration", V: strconv.FormatInt(v.Nanoseconds(), 10)}
	case types.Timestamp:
		return &Tagged{T: "timestamp", V: fmt.Sprintf("%d.%09d", v.Unix(), v.Nanosecond())}
	case *types.Type:
		return &Tagged{T: "type", V: v.TypeName()}
	case *types.Optional:
		if !v.HasValue() {
			return &Tagged{T: "optional"}
		}
		return &Tagged{T: "optional", V: tagged(v.GetValue())}
	case *dynamic.ObjectVal:
		return object(v)
	case *mutation.JSONPatchVal:
		return jsonPatch(v)
	}
	return container(value)
}

func container(value ref.Val) *Tagged {
	switch v := value.(type) {
	case traits.Mapper:
		return &Tagged{T: "map", V: entries(v)}
	case traits.Lister:
		all := []*Tagged{}
		for i := v.Iterator(); i.HasNext() == types.True; {
			all = append(all, tagged(i.Next()))
		}
		return &Tagged{T: "list", V: all}
	case ref.Type:
		return &Tagged{T: "type", V: v.TypeName()}
	case apiservercel.Format:
		return &Tagged{T: "other", V: v.Type().TypeName() + ":" + v.Name}
	case fmt.Stringer:
		return &Tagged{T: "other", V: value.Type().TypeName() + ":" + v.String()}
	}
	return &Tagged{T: "other", V: value.Type().TypeName() + ":"}
}

func entries(m traits.Mapper) [][2]*Tagged {
	all := [][2]*Tagged{}
	for i := m.Iterator(); i.HasNext() == types.True; {
		key := i.Next()
		all = append(all, [2]*Tagged{tagged(key), tagged(m.Get(key))})
	}
	slices.SortFunc(all, func(a, b [2]*Tagged) int { return compare(a[0], b[0]) })
	return all
}

func compare(a, b *Tagged) int {
	one, two := fmt.Sprint(a.T, " ", a.V), fmt.Sprint(b.T, " ", b.V)
	if one < two {
		return -1
	}
	return 1
}

func double(number float64) string {
	switch {
	case math.IsNaN(number):
		return "nan"
	case math.IsInf(number, 1):
		return "inf"
	case math.IsInf(number, -1):
		return "-inf"
	}
	return strconv.FormatFloat(number, 'g', -1, 64)
}

func long(kind, text string, size int) *Tagged {
	if size > longest {
		return &Tagged{T: "long " + kind, V: strconv.Itoa(size)}
	}
	return &Tagged{T: kind, V: text}
}

// object reads the fields that ObjectVal hides, because its own conversion forgets the names of inner types.
func object(value *dynamic.ObjectVal) *Tagged {
	hidden := reflect.ValueOf(value).Elem().FieldByName("fields")
	fields := *(*map[string]ref.Val)(unsafe.Pointer(hidden.UnsafeAddr()))
	all := [][2]*Tagged{}
	for name, field := range fields {
		all = append(all, [2]*Tagged{tagged(types.String(name)), tagged(field)})
	}
	slices.SortFunc(all, func(a, b [2]*Tagged) int { return compare(a[0], b[0]) })
	return &Tagged{T: "object", Name: value.Type().TypeName(), V: all}
}

func jsonPatch(value *mutation.JSONPatchVal) *Tagged {
	all := [][2]*Tagged{}
	set := func(name string, to ref.Val) { all = append(all, [2]*Tagged{tagged(types.String(name)), tagged(to)}) }
	for _, field := range []struct{ name, text string }{{"from", value.From}, {"op", value.Op}, {"path", value.Path}} {
		if field.text != "" {
			set(field.name, types.String(field.text))
		}
	}
	if value.Val != nil {
		set("value", value.Val)
	}
	return &Tagged{T: "object", Name: "JSONPatch", V: all}
}

// patch is what the mutating plugin would hand on: an object to apply, or a list of operations.
func patch(value ref.Val) (any, string) {
	switch v := value.(type) {
	case *dynamic.ObjectVal:
		return applied(v)
	case traits.Lister:
		operations := []any{}
		for i := v.Iterator(); i.HasNext() == types.True; {
			operation, is := i.Next().(*mutation.JSONPatchVal)
			if !is {
				return nil, ""
			}
			made, wrong := operationOf(operation)
			if wrong != "" {
				return nil, wrong
			}
			operations = append(operations, made)
		}
		return operations, ""
	}
	return nil, ""
}

func applied(value *dynamic.ObjectVal) (any, string) {
	if err := value.CheckTypeNamesMatchFieldPathNames(); err != nil {
		return nil, err.Error()
	}
	native, is := value.Value().(map[string]any)
	if !is {
		return nil, fmt.Sprint(value.Value())
	}
	if _, err := json.Marshal(native); err != nil {
		return nil, err.Error()
	}
	return native, ""
}

func operationOf(operation *mutation.JSONPatchVal) (any, string) {
	made := map[string]any{"op": operation.Op, "path": operation.Path}
	if operation.From != "" {
		made["from"] = operation.From
	}
	if operation.Val == nil {
		return made, ""
	}
	if inner, is := operation.Val.(*dynamic.ObjectVal); is {
		if err := inner.CheckTypeNamesMatchFieldPathNames(); err != nil {
			return nil, err.Error()
		}
	}
	native, err := operation.Val.ConvertToNative(reflect.TypeOf(&structpb.Value{}))
	if err != nil {
		return nil, err.Error()
	}
	encoded, err := json.Marshal(native)
	if err != nil {
		return nil, err.Error()
	}
	made["value"] = json.RawMessage(encoded)
	return made, ""
}
