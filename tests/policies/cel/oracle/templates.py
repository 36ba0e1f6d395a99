"""Every function, operator and macro of the API server's CEL, as the result's type and a text with typed holes.

    int: {string}.indexOf({string}, {int:index})     a string, a string, and an int from the pool of words `index`
    bool: {list<A>}.all({$:A}, {bool})               `$` makes up a variable of type A; the holes after it may name it
    A: ({bool} ? {A} : {A})                          A to E: any type; the other capitals are in CLASSES

Parentheses around a whole text are left out now and then, which asks for the precedence of operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tests.policies.cel.oracle.typed import DOUBLE, DURATION, INT, KEYS, ORDERED, UINT, Type, parse

CLASSES: dict[str, tuple[Type, ...]] = {
    "K": KEYS,
    "L": KEYS,
    "M": (INT, UINT, DOUBLE),
    "N": (INT, UINT, DOUBLE),
    "O": ORDERED,
    "S": (INT, UINT, DOUBLE, DURATION),
}

OPERATORS = """
bool: ({bool} && {bool})
bool: ({bool} || {bool})
bool: ({bool} && {bool} && {bool} && {bool})
bool: ({bool} || {bool} || {bool})
bool: !{bool}
A: ({bool} ? {A} : {A})
bool: ({A} == {A})
bool: ({A} != {A})
bool: ({dyn} == {A})
bool: ({A} != {dyn})
bool: ({O} < {O})
bool: ({O} <= {O})
bool: ({O} > {O})
bool: ({O} >= {O})
bool: ({M} < {N})
bool: ({M} >= {N})
bool: (dyn({M}) == dyn({N}))
bool: ({dyn} < {dyn})
bool: ({A} in {list<A>})
bool: ({K} in {map<K,A>})
bool: ({dyn} in {list<dyn>})
bool: ({string} in {dyn})
N: ({N} + {N})
N: ({N} - {N})
N: ({N} * {N})
N: ({N} / {N})
int: ({int} % {int})
uint: ({uint} % {uint})
int: -{int}
double: -{double}
int: ({dyn} + {int})
dyn: ({dyn} + {dyn})
dyn: ({dyn} - {N})
dyn: ({dyn} * {dyn})
string: ({string} + {string})
bytes: ({bytes} + {bytes})
list<A>: ({list<A>} + {list<A>})
timestamp: ({timestamp} + {duration})
timestamp: ({duration} + {timestamp})
timestamp: ({timestamp} - {duration})
duration: ({timestamp} - {timestamp})
duration: ({duration} + {duration})
duration: ({duration} - {duration})
A: {list<A>}[{int:index}]
A: {list<A>}[dyn({uint:index})]
A: {list<A>}[dyn({double})]
A: {map<K,A>}[{K}]
A: {map<string,A>}[{string:key}]
A: {map<string,A>}.{field}
dyn: {dyn}[{K}]
dyn: {dyn}.{field}
dyn: {dyn}[{dyn}]
bool: has({map<string,A>}.{field})
bool: has({dyn}.{field})
list<A>: [{A}]
list<A>: [{A}, {A}]
list<A>: [{A}, ?{optional<A>}, {A}]
list<A>: []
list<dyn>: [dyn({A}), dyn({B}), dyn({C})]
map<K,A>: {{{K}: {A}}}
map<K,A>: {{{K}: {A}, {K}: {A}}}
map<string,A>: {{'a': {A}, 'b': {A}, 'c': {A}}}
map<string,A>: {{'a': {A}, ?'b': {optional<A>}}}
map<K,A>: {{?{K}: {optional<A>}}}
map<K,A>: {{}}
"""

CONVERSIONS = """
int: int({uint})
int: int({double})
int: int({string:number})
int: int({timestamp})
int: int({int})
int: int({dyn})
uint: uint({int})
uint: uint({double})
uint: uint({string:number})
uint: uint({dyn})
double: double({int})
double: double({uint})
double: double({string:number})
double: double({dyn})
string: string({int})
string: string({uint})
string: string({double})
string: string({bool})
string: string({bytes})
string: string({timestamp})
string: string({duration})
string: string({string})
string: string({ip})
string: string({cidr})
string: string({dyn})
bytes: bytes({string})
bytes: bytes({bytes})
bool: bool({string:boolean})
bool: bool({bool})
bool: bool({dyn})
duration: duration({string:duration})
duration: duration({duration})
timestamp: timestamp({string:timestamp})
timestamp: timestamp({int:seconds})
timestamp: timestamp({timestamp})
dyn: dyn({A})
type: type({A})
type: type({dyn})
bool: (type({A}) == type({B}))
bool: (type({dyn}) == {typename})
int: size({string})
int: size({bytes})
int: size({list<A>})
int: size({map<K,A>})
int: size({dyn})
int: {string}.size()
int: {bytes}.size()
int: {list<A>}.size()
int: {map<K,A>}.size()
int: {dyn}.size()
"""

STRINGS = """
bool: {string}.contains({string})
bool: {string}.startsWith({string})
bool: {string}.endsWith({string})
bool: {string}.matches({string:regex})
bool: matches({string}, {string:regex})
bool: {dyn}.startsWith({string})
bool: {dyn}.contains({dyn})
string: {string}.charAt({int:index})
int: {string}.indexOf({string})
int: {string}.indexOf({string}, {int:index})
int: {string}.lastIndexOf({string})
int: {string}.lastIndexOf({string}, {int:index})
int: {dyn}.indexOf({string})
int: {dyn}.lastIndexOf({A})
string: {string}.lowerAscii()
string: {string}.upperAscii()
string: {dyn}.lowerAscii()
string: {string}.replace({string}, {string})
string: {string}.replace({string}, {string}, {int:index})
list<string>: {string}.split({string})
list<string>: {string}.split({string}, {int:index})
list<string>: {dyn}.split({string})
string: {string}.substring({int:index})
string: {string}.substring({int:index}, {int:index})
string: {string}.trim()
string: {list<string>}.join()
string: {list<string>}.join({string})
string: {dyn}.join({string})
string: {string:format}.format([{A}])
string: {string:format}.format([{A}, {A}])
string: {string:format}.format([dyn({A}), dyn({B}), dyn({C})])
string: {string:format}.format({dyn})
string: {string:format}.format([{N}])
string: strings.quote({string})
string: {string}.find({string:regex})
string: {dyn}.find({string:regex})
list<string>: {string}.findAll({string:regex})
list<string>: {string}.findAll({string:regex}, {int:index})
"""

LISTS = """
bool: {list<O>}.isSorted()
bool: {dyn}.isSorted()
S: {list<S>}.sum()
dyn: {dyn}.sum()
O: {list<O>}.min()
O: {list<O>}.max()
dyn: {dyn}.max()
int: {list<A>}.indexOf({A})
int: {list<A>}.lastIndexOf({A})
list<A>: {list<A>}.slice({int:index}, {int:index})
list<dyn>: {dyn}.slice({int:index}, {int:index})
list<A>: {list<list<A>>}.flatten()
list<dyn>: {list<list<A>>}.flatten({int:index})
list<dyn>: {dyn}.flatten()
list<O>: {list<O>}.sort()
list<dyn>: {dyn}.sort()
list<A>: {list<A>}.distinct()
list<dyn>: {dyn}.distinct()
list<A>: {list<A>}.reverse()
list<dyn>: {dyn}.reverse()
list<int>: lists.range({int:index})
optional<A>: {list<A>}.first()
optional<A>: {list<A>}.last()
optional<dyn>: {dyn}.first()
bool: sets.contains({list<A>}, {list<A>})
bool: sets.equivalent({list<A>}, {list<A>})
bool: sets.intersects({list<A>}, {list<A>})
bool: sets.contains({dyn}, {list<A>})
bool: sets.equivalent({list<M>}, {list<N>})
"""

MACROS = """
bool: {list<A>}.all({$:A}, {bool})
bool: {list<A>}.exists({$:A}, {bool})
bool: {list<A>}.exists_one({$:A}, {bool})
bool: {map<K,A>}.all({$:K}, {bool})
bool: {map<K,A>}.exists({$:K}, {bool})
bool: {map<K,A>}.exists_one({$:K}, {bool})
bool: {dyn}.all({$:dyn}, {bool})
bool: {dyn}.exists({$:dyn}, {bool})
bool: {dyn}.exists_one({$:dyn}, {bool})
list<B>: {list<A>}.map({$:A}, {B})
list<B>: {list<A>}.map({$:A}, {bool}, {B})
list<B>: {map<K,A>}.map({$:K}, {B})
list<A>: {list<A>}.filter({$:A}, {bool})
list<K>: {map<K,A>}.filter({$:K}, {bool})
list<B>: {dyn}.map({$:dyn}, {B})
list<dyn>: {dyn}.filter({$:dyn}, {bool})
list<A>: {list<A>}.sortBy({$:A}, {O})
list<dyn>: {dyn}.sortBy({$:dyn}, {O})
bool: {list<A>}.all({$:int}, {$:A}, {bool})
bool: {list<A>}.exists({$:int}, {$:A}, {bool})
bool: {list<A>}.existsOne({$:int}, {$:A}, {bool})
bool: {list<A>}.exists_one({$:int}, {$:A}, {bool})
bool: {map<K,A>}.all({$:K}, {$:A}, {bool})
bool: {map<K,A>}.exists({$:K}, {$:A}, {bool})
bool: {map<K,A>}.existsOne({$:K}, {$:A}, {bool})
bool: {dyn}.all({$:dyn}, {$:dyn}, {bool})
bool: {dyn}.exists({$:dyn}, {$:dyn}, {bool})
list<B>: {list<A>}.transformList({$:int}, {$:A}, {B})
list<B>: {list<A>}.transformList({$:int}, {$:A}, {bool}, {B})
list<B>: {map<K,A>}.transformList({$:K}, {$:A}, {B})
map<int,B>: {list<A>}.transformMap({$:int}, {$:A}, {B})
map<K,B>: {map<K,A>}.transformMap({$:K}, {$:A}, {B})
map<K,B>: {map<K,A>}.transformMap({$:K}, {$:A}, {bool}, {B})
map<K,B>: {list<A>}.transformMapEntry({$:int}, {$:A}, {{{K}: {B}}})
map<K,B>: {map<L,A>}.transformMapEntry({$:L}, {$:A}, {bool}, {{{K}: {B}}})
list<B>: {dyn}.transformList({$:dyn}, {$:dyn}, {B})
map<dyn,B>: {dyn}.transformMap({$:dyn}, {$:dyn}, {B})
"""

OPTIONALS = """
optional<A>: optional.of({A})
optional<A>: optional.none()
optional<A>: optional.ofNonZeroValue({A})
optional<dyn>: optional.ofNonZeroValue({dyn})
bool: {optional<A>}.hasValue()
A: {optional<A>}.value()
optional<A>: {optional<A>}.or({optional<A>})
A: {optional<A>}.orValue({A})
A: {optional<dyn>}.orValue({A})
A: {dyn}.orValue({A})
optional<B>: {optional<A>}.optMap({$:A}, {B})
optional<B>: {optional<A>}.optFlatMap({$:A}, {optional<B>})
optional<dyn>: {dyn}.?{field}
optional<dyn>: {dyn}[?{K}]
optional<A>: {map<K,A>}[?{K}]
optional<A>: {map<string,A>}.?{field}
optional<A>: {list<A>}[?{int:index}]
optional<dyn>: {optional<dyn>}.?{field}
optional<dyn>: {optional<dyn>}[?{K}]
optional<dyn>: {optional<dyn>}.{field}
bool: has({dyn}.?{field}.{field})
"""

OPTIONAL_LISTS = """
list<A>: optional.unwrap({list<optional<A>>})
list<A>: {list<optional<A>>}.unwrapOpt()
list<dyn>: {dyn}.unwrapOpt()
optional<dyn>: {dyn}.?{field}.?{field}
optional<dyn>: {dyn}.?{field}[?{int:index}].{field}
A: {dyn}.?{field}.?{field}.orValue({A})
optional<B>: {dyn}.optMap({$:dyn}, {B})
dyn: {optional<A>}.optMap({$:A}, {B}).{field}
dyn: {optional<A>}.optFlatMap({$:A}, {optional<B>})[{K}]
bool: has({optional<A>}.optMap({$:A}, {map<string,B>}).{field})
list<optional<A>>: [{optional<A>}, {optional<A>}]
optional<optional<A>>: optional.of({optional<A>})
bool: ({optional<A>} == {optional<A>})
bool: ({optional<A>} in [{optional<A>}, optional.none()])
"""

ODDITIES = """
bool: ({A} in dyn([]))
bool: ({dyn} in [{K}, {K}, {K}])
bool: ({A} in [{A}, {A}])
dyn: ({bool} ? {dyn} : {dyn}).{field}
dyn: ({bool} ? {dyn} : {dyn})[{K}]
bool: has(({bool} ? {dyn} : {dyn}).{field})
bool: has({dyn}.{field}.{field}.{field})
bool: has({dyn}[{K}].{field})
dyn: {dyn}[has({dyn}.{field})]
dyn: {dyn}[{bool} ? {K} : {L}]
dyn: {dyn}[?({bool} ? {K} : {L})]
dyn: {dyn}[{dyn}.{field}]
dyn: {dyn}[{dyn}[{dyn}]]
dyn: {{{A}: {B}}}
dyn: dyn({{{A}: {B}, {A}: {B}}})[{A}]
dyn: dyn({{dyn({A}): {B}, dyn({C}): {B}}})[{A}]
dyn: dyn({{dyn({A}): {B}, dyn({C}): {B}}})[?dyn({D})]
bool: ({A} in dyn({{dyn({A}): {B}}}))
bool: (dyn({{{A}: {B}}}) == dyn({{{A}: {B}}}))
dyn: dyn([{A}])[{dyn}]
dyn: dyn({A}).{field}
dyn: dyn({A})[{K}]
bool: has(dyn({A}).{field})
optional<dyn>: dyn({A}).?{field}
optional<dyn>: optional.of({A})[?{K}]
int: size(dyn({A}))
bool: (dyn({A}) == dyn({B}))
bool: (dyn({A}) < dyn({B}))
bool: (dyn({A}) == {dyn})
dyn: (dyn({A}) + dyn({A}))
bool: dyn({A}).all({$:dyn}, {bool})
bool: dyn({A}).exists({$:dyn}, {$:dyn}, {bool})
bool: {list<A>}.exists({$:A}, {$:A}, {bool})
bool: ({dyn} && {dyn})
bool: ({dyn} || {bool} || {dyn})
bool: !{dyn}
int: -{dyn}
type: type(type({A}))
bool: (type({A}) in [{typename}, type({B})])
type: {list<type>}[{int:index}]
list<type>: [type({A}), type({A})]
map<type,A>: {{type({B}): {A}}}
bool: (dyn(variables) == {dyn})
dyn: dyn(variables)[{string:key}]
dyn: [1, 2].map({$:int}, {dyn}.{field})
dyn: .object.{field}
string: .request.name
list<A>: ({list<A>} + {list<A>} + {list<A>})
list<dyn>: [{A}, {B}]
string: ({string} + string({A}))
string: string(dyn({A}))
string: '%s'.format([dyn({A})])
string: '%s %s'.format([[{A}, {A}], {{{K}: {A}}}])
string: {string:format}.format([dyn({N}), dyn({N})])
dyn: {dyn}.min()
bool: {list<A>}.isSorted()
list<A>: {list<A>}.sort()
list<A>: {list<A>}.sortBy({$:A}, {A})
bool: sets.intersects({list<A>}, [dyn({B})])
bool: {string}.matches({string} + {string:regex})
bool: {string}.matches(dyn({string:regex}))
string: {string}.find(dyn({string:regex}))
list<string>: {string}.findAll({string} + '', {int:index})
int: [{A}, {A}].indexOf(dyn({B}))
"""

MESSAGES = """
dyn: google.protobuf.Int32Value{{value: {int}}}
dyn: google.protobuf.Int64Value{{value: {int}}}
dyn: google.protobuf.UInt32Value{{value: {uint}}}
dyn: google.protobuf.UInt64Value{{}}
dyn: google.protobuf.DoubleValue{{value: {double}}}
dyn: google.protobuf.FloatValue{{value: {double}}}
dyn: google.protobuf.BoolValue{{value: {bool}}}
dyn: google.protobuf.StringValue{{value: {string}}}
dyn: google.protobuf.BytesValue{{value: {bytes}}}
dyn: google.protobuf.Value{{number_value: {double}}}
dyn: google.protobuf.Value{{string_value: {string}}}
dyn: google.protobuf.Value{{bool_value: {bool}}}
dyn: google.protobuf.Value{{null_value: google.protobuf.NullValue.NULL_VALUE}}
dyn: google.protobuf.Value{{list_value: {list<A>}}}
dyn: google.protobuf.Value{{struct_value: {map<string,A>}}}
dyn: google.protobuf.ListValue{{values: {list<A>}}}
dyn: google.protobuf.Struct{{fields: {map<string,A>}}}
dyn: google.protobuf.Struct{{fields: {map<K,A>}}}.{field}
duration: google.protobuf.Duration{{seconds: {int}, nanos: {int}}}
timestamp: google.protobuf.Timestamp{{seconds: 1700000000, nanos: {int}}}
dyn: google.protobuf.StringValue{{?value: {optional<string>}}}
dyn: google.protobuf.Int32Value{{value: {dyn}}}
dyn: google.protobuf.Empty{{}}
int: google.protobuf.NullValue.NULL_VALUE
bool: (google.protobuf.Int64Value{{value: {int}}} == {int})
bool: (google.protobuf.StringValue{{value: {string}}} == null)
"""

TIME = """
int: {timestamp}.getFullYear()
int: {timestamp}.getMonth()
int: {timestamp}.getDate()
int: {timestamp}.getDayOfMonth()
int: {timestamp}.getDayOfWeek()
int: {timestamp}.getDayOfYear()
int: {timestamp}.getHours()
int: {timestamp}.getMinutes()
int: {timestamp}.getSeconds()
int: {timestamp}.getMilliseconds()
int: {timestamp}.getFullYear({string:zone})
int: {timestamp}.getMonth({string:zone})
int: {timestamp}.getDate({string:zone})
int: {timestamp}.getDayOfMonth({string:zone})
int: {timestamp}.getDayOfWeek({string:zone})
int: {timestamp}.getDayOfYear({string:zone})
int: {timestamp}.getHours({string:zone})
int: {timestamp}.getMinutes({string:zone})
int: {timestamp}.getSeconds({string:zone})
int: {timestamp}.getMilliseconds({string:zone})
int: {duration}.getHours()
int: {duration}.getMinutes()
int: {duration}.getSeconds()
int: {duration}.getMilliseconds()
"""

KUBERNETES = """
quantity: quantity({string:quantity})
bool: isQuantity({string:quantity})
bool: isQuantity({dyn})
int: sign({quantity})
bool: {quantity}.isInteger()
int: {quantity}.asInteger()
double: {quantity}.asApproximateFloat()
quantity: {quantity}.add({quantity})
quantity: {quantity}.add({int})
quantity: {quantity}.sub({quantity})
quantity: {quantity}.sub({int})
bool: {quantity}.isGreaterThan({quantity})
bool: {quantity}.isLessThan({quantity})
int: {quantity}.compareTo({quantity})
url: url({string:url})
bool: isURL({string:url})
string: {url}.getScheme()
string: {url}.getHost()
string: {url}.getHostname()
string: {url}.getPort()
string: {url}.getEscapedPath()
map<string,list<string>>: {url}.getQuery()
ip: ip({string:ip})
bool: isIP({string:ip})
bool: ip.isCanonical({string:ip})
int: {ip}.family()
bool: {ip}.isUnspecified()
bool: {ip}.isLoopback()
bool: {ip}.isLinkLocalMulticast()
bool: {ip}.isLinkLocalUnicast()
bool: {ip}.isGlobalUnicast()
cidr: cidr({string:cidr})
bool: isCIDR({string:cidr})
bool: {cidr}.containsIP({string:ip})
bool: {cidr}.containsIP({ip})
bool: {cidr}.containsCIDR({string:cidr})
bool: {cidr}.containsCIDR({cidr})
ip: {cidr}.ip()
cidr: {cidr}.masked()
int: {cidr}.prefixLength()
optional<format>: format.named({string:named})
format: format.{formatname}()
optional<list<string>>: {format}.validate({string:named})
semver: semver({string:semver})
semver: semver({string:semver}, {bool})
bool: isSemver({string:semver})
bool: isSemver({string:semver}, {bool})
bool: {semver}.isGreaterThan({semver})
bool: {semver}.isLessThan({semver})
int: {semver}.compareTo({semver})
int: {semver}.major()
int: {semver}.minor()
int: {semver}.patch()
"""

AUTHORIZER = """
authorizer: authorizer
authorizer: authorizer.serviceAccount({string:name}, {string:name})
pathcheck: {authorizer}.path({string:path})
groupcheck: {authorizer}.group({string:name})
resourcecheck: {groupcheck}.resource({string:name})
resourcecheck: authorizer.requestResource
resourcecheck: {resourcecheck}.subresource({string:name})
resourcecheck: {resourcecheck}.namespace({string:name})
resourcecheck: {resourcecheck}.name({string:name})
resourcecheck: {resourcecheck}.fieldSelector({string:selector})
resourcecheck: {resourcecheck}.labelSelector({string:selector})
decision: {pathcheck}.check({string:verb})
decision: {resourcecheck}.check({string:verb})
bool: {decision}.allowed()
bool: {decision}.errored()
string: {decision}.error()
string: {decision}.reason()
"""

PATCHES = """
object: Object{{}}
object: Object{{{field}: {A}}}
object: Object{{{field}: {A}, {field}: {B}}}
object: Object{{spec: Object.spec{{{field}: {A}}}}}
object: Object{{metadata: Object.metadata{{labels: {map<string,string>}}}}}
object: Object{{?{field}: {optional<A>}}}
object: Object{{spec: Object.spec{{?replicas: object.?spec.?replicas, {field}: {list<A>}}}}}
object: Object{{spec: Object.spec{{containers: [Object.spec.containers{{name: {string}, {field}: {A}}}]}}}}
object: Object{{spec: Object.spec{{containers: {list<A>}.map({$:A}, Object.spec.containers{{name: {string}}})}}}}
jsonpatch: JSONPatch{{op: {string:op}, path: {string:pointer}}}
jsonpatch: JSONPatch{{op: {string:op}, path: {string:pointer}, value: {A}}}
jsonpatch: JSONPatch{{op: {string:op}, path: {string:pointer}, value: {dyn}}}
jsonpatch: JSONPatch{{op: {string:op}, from: {string:pointer}, path: {string:pointer}}}
jsonpatch: JSONPatch{{op: {string:op}, path: {string:pointer}, value: {object}}}
string: jsonpatch.escapeKey({string})
bool: ({object} == {object})
bool: ({jsonpatch} == {jsonpatch})
bool: ({object} == {object})
bool: ({object} == dyn({A}))
bool: has({object}.{field})
bool: has({object}.{field}.{field})
dyn: {object}.{field}
dyn: {object}.{field}.{field}
optional<dyn>: {object}.?{field}
dyn: dyn({object}).{field}
dyn: dyn({object})[{K}]
dyn: ({bool} ? {object} : {object}).{field}
optional<dyn>: optional.of({object}).{field}
dyn: optional.of({object}).optMap({$:object}, {object}).value().{field}
bool: dyn({object}).all({$:dyn}, {bool})
dyn: {jsonpatch}.value
dyn: dyn({jsonpatch}).{field}
optional<dyn>: {jsonpatch}.?{field}
bool: has({jsonpatch}.from)
dyn: {jsonpatch}.value.{field}
jsonpatch: JSONPatch{{op: dyn({A}), path: {dyn}}}
jsonpatch: JSONPatch{{op: {string:op}, ?path: {optional<string>}, ?value: {optional<A>}}}
list<jsonpatch>: {list<A>}.map({$:A}, JSONPatch{{op: {string:op}, path: {string}, value: {B}}})
string: {jsonpatch}.path
"""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place to fill. `pool` names the words its literals come from; `declares` makes it a new variable's name."""

    type: Type
    pool: str = ""
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A result and the pieces of text and holes that make it."""

    result: Type
    parts: tuple[str | Hole, ...]

    @property
    def is_grouped(self) -> bool:
        """Whether parentheses surround the whole."""
        return self.parts[0] == "(" and self.parts[-1] == ")"


# names that stand for a word and not for an expression
WORDS = frozenset({"field", "typename", "formatname"})


def read(line: str) -> Template:
    """Read one line of the tables."""
    result, _, text = line.partition(": ")
    parts: list[str | Hole] = []
    for piece in re.findall(r"\{\{|\}\}|\{[^{}]+\}|[^{}]+", text):
        if piece in ("{{", "}}"):
            parts.append(piece[0])
        elif piece.startswith("{"):
            name, _, pool = piece[1:-1].partition(":")
            parts.append(Hole(parse(pool), declares=True) if name == "$" else Hole(parse(name), pool))
        else:
            parts.append(piece)
    return _split(Template(parse(result), tuple(parts)))


def _split(template: Template) -> Template:
    """Parentheses that may be left out become pieces of their own."""
    first, last = template.parts[0], template.parts[-1]
    if isinstance(first, str) and isinstance(last, str) and first.startswith("(") and last.endswith(")"):
        inner = [p for p in (first[1:], *template.parts[1:-1], last[:-1]) if p]
        return Template(template.result, ("(", *inner, ")"))
    return template


@cache
def tables(patches: bool) -> tuple[Template, ...]:
    """Every template; those that only mutations have are asked for."""
    lines = (
        OPERATORS + CONVERSIONS + STRINGS + LISTS + MACROS + OPTIONALS + TIME + KUBERNETES + AUTHORIZER
    ).splitlines()
    lines += (OPTIONAL_LISTS + ODDITIES + MESSAGES).splitlines()
    if patches:
        lines += PATCHES.splitlines() * 3
    return tuple(read(line) for line in lines if line)
