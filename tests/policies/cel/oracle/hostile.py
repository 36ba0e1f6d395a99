"""Expressions that try to be too much: too deep, too long, too wide, at the edge of every number, in odd characters.

They are made here and not written down, because most of them are long.
"""

from __future__ import annotations

from collections.abc import Iterator

DEPTHS = (10, 100, 200, 240, 245, 248, 249, 250, 251, 252, 255, 260, 300, 1000, 5000)
LENGTHS = (10, 31, 32, 33, 63, 64, 65, 100, 1000)


def deep() -> Iterator[str]:
    """Nesting of every kind, around the depth at which the API server's parser gives up."""
    for n in DEPTHS:
        yield "(" * n + "1" + ")" * n
        yield "[" * n + "]" * n
        yield "-" * n + "1"
        yield "!" * n + "true"
        yield "{1: " * n + "1" + "}" * n
        yield "size(" * n + "'a'" + ")" * n
        yield "object" + ".a" * n
        yield "object" + ".?a" * n
        yield "object" + "[0]" * n
        yield "'a'" + ".trim()" * n
        yield "1" + " + 1" * n
        yield "1" + " - (1" * n + ")" * n
        yield "true" + " && true" * n
        yield "true" + " || false" * n
        yield "true ? " * n + "1" + " : 2" * n
        yield "true ? 1 : " * n + "2"
        yield "[1].map(a, " * n + "1" + ")" * n
        yield "[1]" + ".map(a, a)" * n
        yield "dyn(" * n + "1" + ")" * n
        yield "1" + " < 1 == true" * n
        yield "has(object" + ".a" * n + ")"
        yield "optional.of(" * n + "1" + ")" * n
        yield "a" + ".a" * n + "{}"


def wide() -> Iterator[str]:
    """Long lists, maps, chains and texts."""
    for n in LENGTHS:
        yield "[" + ", ".join(["1"] * n) + "].sum()"
        yield "{" + ", ".join(f"{i}: {i}" for i in range(n)) + "}.size()"
        yield "{" + ", ".join(["'a': 1"] * n) + "}.size()"
        yield " && ".join(["object.a == 1"] * n)
        yield " || ".join([f"object.a == {i}" for i in range(n)])
        yield "&&".join(["true", *["object.x"] * n, "false"])
        yield f"'{'x' * n}'.matches('{'x' * n}')"
        yield f"'{'x' * n}'.matches('{'(x+)+' * (n % 20)}')"
        yield f"'{'é' * n}'.size() + b'{'é' * n}'.size()"
        yield f"[{', '.join(['1'] * n)}].all(a, [{', '.join(['1'] * n)}].all(b, [{', '.join(['1'] * n)}].all(c, a == b)))"
        yield f"[{', '.join(['1'] * n)}].map(a, [{', '.join(['1'] * n)}].map(b, a + b))"
        yield f"lists.range({n}).map(a, lists.range({n})).flatten().sum()"
        yield f"'{'a,' * n}'.split(',').join(';').split('').distinct()"
        yield f"'{'a' * n}'.replace('', 'bb').replace('b', 'ccc').size()"
        yield f"[{', '.join(repr('v' + str(i)) for i in range(n))}].exists(x, x == 'v{n - 1}')"
        yield f"'v{n - 1}' in [{', '.join(repr('v' + str(i)) for i in range(n))}]"
        yield f"'%{'s' * n}'.format([1])"
        yield f"'{'%s' * n}'.format([{', '.join(['1'] * n)}])"
        yield f"'1'.matches('{'a' * n}|{'[0-9]' * min(n, 90)}')"


def costly() -> Iterator[str]:
    """What the limit on cost stops, just before and just after it."""
    for n in (10, 50, 90, 99, 100, 101, 110, 150, 400):
        numbers = f"lists.range({n})"
        yield f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a + b + c >= 0)))"
        yield f"{numbers}.exists(a, {numbers}.exists(b, {numbers}.exists(c, a + b + c < 0))) || true"
        yield f"true || {numbers}.exists(a, {numbers}.exists(b, {numbers}.exists(c, a + b + c < 0)))"
        yield f"{numbers}.map(a, {numbers}.map(b, {numbers})).size()"
        yield f"{numbers}.map(a, string(a)).join('').matches('^[0-9]+$')"
        yield f"{numbers}.sortBy(a, -a).sortBy(a, string(a))"
        yield f"{numbers}.map(a, {numbers}).flatten().distinct().size()"
        yield f"sets.equivalent({numbers}, {numbers}.reverse())"
        yield f"sets.contains({numbers}.map(a, {numbers}), {numbers}.map(a, {numbers}))"
        yield f"{numbers}.map(a, 'xxxxxxxxxx').join().replace('x', 'yyyyyyyyyy').size()"
    yield "authorizer.path('/a').check('get').allowed() && authorizer.path('/a').check('get').allowed()"
    yield " && ".join(["authorizer.path('/a').check('get').allowed()"] * 3)
    yield " || ".join(["authorizer.path('/a').check('delete').allowed()"] * 3) + " || true"


NUMBERS = (
    *("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809"),
    *(
        "0x7fffffffffffffff",
        "-0x8000000000000000",
        "0x8000000000000000",
        "18446744073709551615u",
        "18446744073709551616u",
    ),
    *(
        "0u",
        "-1u",
        "0xffffffffffffffffu",
        "0.0",
        "-0.0",
        "1e308",
        "1e309",
        "-1e309",
        "5e-324",
        "1e-400",
        "0.1",
        "1.",
        ".1",
        "1e",
    ),
    *("9007199254740993.0", "9223372036854775807.0", "-9223372036854775808.0", "18446744073709551616.0", "1.5"),
)
ARITHMETIC = ("+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=")


def numbers() -> Iterator[str]:
    """Every operator at every edge, typed and not."""
    for a in NUMBERS:
        yield f"-({a})"
        yield f"- {a}"
        for conversion in ("int", "uint", "double", "string", "timestamp", "duration", "bool", "type", "size", "dyn"):
            yield f"{conversion}({a})"
            yield f"{conversion}(dyn({a}))"
        for b in NUMBERS:
            for operator in ARITHMETIC:
                yield f"{a} {operator} {b}"
                yield f"dyn({a}) {operator} dyn({b})"
            yield f"dyn({a}) in [{b}]"
            yield f"{{{a}: 1}}[dyn({b})]"
            yield f"[{a}].indexOf(dyn({b}))"
            yield f"[dyn({a}), dyn({b})].distinct()"
            yield f"sets.contains([dyn({a})], [dyn({b})])"
            yield f"'%d %s %x %o %b %e %.3f'.format([dyn({a}), {b}, {a}, {a}, {a}, {b}, {b}])"


CHARACTERS = (
    "\x00",
    "\x01",
    "\x7f",
    "\x80",
    "\x85",
    "\xa0",
    "\xad",
    "\u0130",
    "\u0131",
    "\u017f",
    "\u212a",
    "\u1e9e",
    "\u2028",
)
MORE_CHARACTERS = (
    "\u200b",
    "\u3000",
    "\ufeff",
    "\ufffd",
    "\uffff",
    "\U0001f600",
    "\U0010ffff",
    "e\u0301",
    "\u0661",
    "\uff11",
    "\u0660",
)


def characters() -> Iterator[str]:
    """Odd characters in texts, patterns and where no character belongs."""
    for c in (*CHARACTERS, *MORE_CHARACTERS):
        escaped = "".join(f"\\U{ord(part):08x}" for part in c)
        for written in (c, escaped):
            text = f"'a{written}b{written}'"
            yield f"{text}.size() + bytes({text}).size()"
            yield f"[{text}.upperAscii(), {text}.lowerAscii(), {text}.trim(), strings.quote({text}), {text}.charAt(1)]"
            yield f"[{text}.indexOf('b'), {text}.lastIndexOf('{written}'), {text}.indexOf('', 2)]"
            yield f"[{text}.substring(1), {text}.substring(0, 2), {text}.replace('{written}', 'xy'), {text}.replace('', '-')]"
            yield f"[{text}.split(''), {text}.split('{written}'), {text}.split('', 2)]"
            yield f"[{text}.matches('^a.b.$'), {text}.matches('(?i)A{written}B'), {text}.matches('\\\\w'), {text}.matches('\\\\s')]"
            yield f"[{text}.find('[^a-z]+'), {text}.find('\\\\pL+'), {text}.find('(?i){written}'), {text}.find('\\\\b.')]"
            yield f"{text}.findAll('.') + {text}.findAll('') + {text}.findAll('\\\\W')"
            yield f"[' {written}a{written} '.trim(), '{written}'.trim(), '{written}'.lowerAscii()]"
            yield f"['b' < '{written}', '{written}' < 'é', bytes('{written}') < b'b']"
            yield f"'%s|%s'.format([{text}, [{text}]])"
            yield f"[url('http://a/{written}').getEscapedPath()]"
            yield f"[isURL('{written}'), isIP('{written}'), isCIDR('{written}'), isQuantity('{written}'), isSemver('{written}')]"
            yield f"format.labelValue().validate({text}).hasValue() || format.dns1123Label().validate({text}).hasValue()"
            yield f"[int('{written}') == 0]"
            yield f"object['{written}'] == {{'{written}': 1}}['{written}']"
        yield f"1 +{c}1"
        yield f"object.{c}"
        yield f"{c}"
        yield f"[1]//{c}\n"
        yield f"r'{c}' + '''{c}''' + \"{c}\""
        yield f"b'{c}'"
        yield f"object.a{c}"
        yield f"true{c}"


LITERALS = (
    *("''", '""', "'''", "''''''", '""""""', "'''a'b'''", '"""a"b"""', "'a\nb'", "'''a\nb'''", "'''a\r\nb'''", "r'\\'", "r'\\n'"),
    *("r'''\\'''", "R'a'", "rb'a'", "br'a'", "b'a'", "B'a'", "bR'\\x'", "Rb'a'", "b'''a'''", "rB\"\"\"a\"\"\"", "u'a'", "f'a'"),
    *("'\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"\\`\\?'", "'\\x41\\101\\u0041\\U00000041'", "'\\x4'", "'\\8'", "'\\400'", "'\\777'", "'\\18'"),
    *("'\\ud800'", "'\\udfff'", "'\\U00110000'", "'\\U0000d800'", "'\\X41'", "'\\c'", "'\\'", "'\\0'", "'\\00'", "'\\000'", "'\\u41'"),
    *("b'\\xff\\377'", "b'\\u0041'", "b'\\U00000041'", "b'\\400'", "b'é'", "b'\\ud800'", "'\\x80'", "'\\200'", "'\\xff' == '\\u00ff'"),
    *("1u", "1U", "0u", "00", "01", "-01", "0x", "0xg", "0X1", "0x1U", "1e5", "1E5", "1e+5", "1e-5", "1e", "1.e5", "1.5.5", "1..5"),
    *(".5", "5.", "-.5", "1_000", "0b1", "0o7", "1f", "1d", "1ul", "1uu", "- 1", "--1", "-0u", "+1", "1.0u", "0x1.8p1", "1e1e1"),
    *("true", "True", "TRUE", "null", "nil", "None", "in", "as", "if", "for", "let", "package", "namespace", "import", "void"),
    *("a.in", "object.in", "object.if", "object.as", "object.true", "object.null", "object.namespace", "object.package", "object.var"),
    *("object.`a`", "object.`a-b`", "`a`", "object.'a'", "object.0", "object.a.", "object..a", ".object", ".object.a", "..a", "."),
    *("object.a()", "object()", "a()", "a.b()", "[1,]", "[,]", "[1,,2]", "{1:2,}", "{,}", "{1}", "{1:}", "{:1}", "[1 2]", "(1,2)", "()"),
    *("", " ", "\n", "\t", "//", "// a", "1 // a", "1 // a\n + 1", "/* a */ 1", "# a", "1;", "1 1", "1\n2", "1,", ",1", "1 +", "+ 1"),
    *("1 = 1", "1 === 1", "1 & 1", "1 | 1", "1 ^ 1", "~1", "1 << 1", "1 ** 1", "!1", "!!true", "!-1", "-!true", "1 ? 2 : 3", "true ? 1"),
    *("true ?: 1", "true ? 1 :", "a ? b ? c : d : e", "true ? true ? 1 : 2 : 3", "true ? 1 : false ? 2 : 3", "(true) ? (1) : (2)"),
    *("1 < 2 < 3", "1 == 1 == true", "1 in [1] in [true]", "!true && false", "-1.abs()", "-(1).size()", "- -1", "1 - -1", "1--1", "1-1"),
    *("true && false || true", "true || false && false", "1 + 2 * 3 - 4 / 2 % 3", "2 * (3 + 4)", "1 - 2 - 3", "8 / 4 / 2", "-2 % 3"),
    *("has(object)", "has(object.a.b)", "has(object['a'])", "has(object.a())", "has(1)", "has()", "has(object.a, object.b)", "has(has)"),
    *("has(object.?a)", "has((object).a)", "has({'a': 1}.a)", "has([1].a)", "object.has(a)", "has(object.a.?b)", "has(has(object.a))"),
    *("[1].all(x, true)", "[1].all(x.y, true)", "[1].all('x', true)", "[1].all(x)", "[1].all(x, y, z, true)", "all([1], x, true)"),
    *("[1].all(1, true)", "[1].map(x, x, x)", "[1].map(x, true, x, x)", "[1].filter(x, x)", "[1].all(object, object == 1)"),
    *("[1].all(x, x.y)", "[1].exists_one(x, x == 1)", "[1].existsOne(x, x == 1)", "[1].exists_one(i, x, true)", "1.all(x, true)"),
    *("[1].all(x, x, true)", "{1: 2}.all(x, x, x == 2)", "[1].all(__result__, true)", "[1].map(@result, 1)", "[1].map(__x, __x)"),
    *("[[1]].all(x, x.all(x, x == 1))", "[1].map(x, [2].map(y, x + y))", "[1].map(.x, 1)", "[1].map(x, .x)", "[1].map(request, .request)"),
    *("[1].sortBy(x, -x)", "[1].sortBy(x, [x])", "[1].sortBy(x, x, x)", "1.sortBy(x, x)", "[].sortBy(x, y)", "[].sortBy(x, x)"),
    *("{'a': 1}.transformMap(k, v, v)", "{'a': 1}.transformMapEntry(k, v, {v: k})", "{'a': 1}.transformMapEntry(k, v, 1)"),
    *("{'a': 1}.transformMapEntry(k, v, {})", "{'a': 1}.transformMapEntry(k, v, {k: v, v: k})", "[1, 1].transformMapEntry(i, v, {v: i})"),
    *("{'a': 1, 'a': 2}", "{1: 1, 1u: 2}", "{1: 1, 1.0: 2}", "{1.5: 1}", "{null: 1}", "{[1]: 1}", "{true: 1, 'a': 2}", "{dyn(1): 1, dyn(1u): 2}"),
    *("{1: 'a', 2u: 'b'}", "[1, 'a']", "[1, 1.0]", "[1, null]", "[null, 1]", "[{}, {'a': 1}]", "[[], [1]]", "[[1], ['a']]", "{'a': 1, 'b': 'c'}"),
    *("[optional.of(1), optional.of('a')]", "[?optional.of(1), 2]", "[?1]", "[?optional.of(1), ?optional.of('a')]", "{?1: optional.of(1)}"),
    *("{?1: 2}", "{?optional.of(1): 1}", "object.?a.b.c", "object.?a.?b", "object[?'a']", "object.?a[0]", "[1][?0]", "[1][?5]", "{1: 2}[?3]"),
    *("optional.of(1) == optional.of(1)", "optional.of(1) == optional.none()", "optional.none() == optional.none()", "optional.of(1) == 1"),
    *("optional.of(1).or(optional.of('a'))", "optional.of(1).orValue('a')", "optional.none().orValue(1)", "1.orValue(2)", "dyn(1).orValue(2)"),
    *("optional.of(1).optMap(x, x + 1)", "optional.of(1).optMap(x, y, 1)", "1.optMap(x, 1)", "optional.none().optMap(x, x.y)", "none()"),
    *("optional.ofNonZeroValue(0)", "optional.ofNonZeroValue('')", "optional.ofNonZeroValue(dyn([]))", "optional.ofNonZeroValue(null)"),
    *("optional.ofNonZeroValue(duration('0s'))", "optional.ofNonZeroValue(timestamp(0))", "optional.ofNonZeroValue(timestamp('0001-01-01T00:00:00Z'))"),
    *("optional.ofNonZeroValue(quantity('0'))", "optional.ofNonZeroValue(ip('::'))", "optional.ofNonZeroValue(-0.0)", "optional.ofNonZeroValue(b'')"),
    *("type(1)", "type(type(1))", "type(type)", "type(null) == null_type", "int == type(1)", "int == uint", "type(dyn(1)) == int", "dyn == dyn"),
    *("type([1]) == list", "type({}) == map", "type(optional.of(1)) == optional_type", "type(quantity('1')) == kubernetes.Quantity", "list(int)"),
    *("type(duration('1s')) == google.protobuf.Duration", "google.protobuf.Timestamp", "type(ip('::1')) == net.IP", "net.IP", "kubernetes.URL"),
    *("type(request)", "type(request) == kubernetes.AdmissionRequest", "kubernetes.AdmissionRequest{}", "kubernetes.AdmissionRequest{name: 'a'}"),
    *("google.protobuf.Int64Value{value: 1}", "google.protobuf.Struct{}", "google.protobuf.Timestamp{seconds: 1}", "google.protobuf.Value{}", "a.b.C{}"),
    *("google.protobuf.StringValue{value: 'a'} == 'a'", "google.protobuf.BoolValue{}", "google.protobuf.Any{}", "google.protobuf.ListValue{}", "C{}"),
    *("google.protobuf.Duration{seconds: 1}", "google.protobuf.NullValue.NULL_VALUE", "google.protobuf.Empty{}", "google.protobuf.DoubleValue{value: 1.5}"),
    *("string(1) + string(1u) + string(1.0) + string(true)", "string(null)", "string([1])", "string(b'\\xff')", "string(1e21)", "string(1e20)", "string(-0.0)"),
    *("string(1e-7)", "string(100000.0)", "string(123456789.0)", "string(0.1 + 0.2)", "string(1.0/0.0)", "string(0.0/0.0)", "string(5e-324)", "string(1e6)"),
    *("int(' 1')", "int('1 ')", "int('+1')", "int('0x10')", "int('1_0')", "int('')", "int('１')", "int(1.9)", "int(-1.9)", "int(9223372036854775807.0)"),
    *("int(9223372036854774784.0)", "int(-9223372036854775808.0)", "uint(-0.5)", "uint(18446744073709551615.0)", "uint(1.9)", "uint('-0')", "uint('+1')"),
    *("double('1_0')", "double('0x1p4')", "double('inf')", "double('+Infinity')", "double('nan')", "double('1e400')", "double('.')", "double('')", "double('1e')"),
    *("bool('true')", "bool('t')", "bool('T')", "bool('1')", "bool('yes')", "bool('True')", "bool('tRUE')", "bool('TRUE')", "bool(1)", "bool('')"),
    *("bytes('é')", "bytes(1)", "string(bytes('é'))", "b'a' < b'b'", "b'a' + b'b'", "b'a'[0]", "size(b'é')", "b'a' == 'a'", "dyn(b'a') == dyn('a')"),
    *("(0.0/0.0) == (0.0/0.0)", "(0.0/0.0) != (0.0/0.0)", "[0.0/0.0] == [0.0/0.0]", "(0.0/0.0) in [0.0/0.0]", "(0.0/0.0) < 1.0", "1.0 < (0.0/0.0)"),
    *("[0.0/0.0, 1.0].max()", "[1.0, 0.0/0.0].min()", "[0.0/0.0, 1.0, 0.0/0.0].sort()", "[0.0/0.0].isSorted()", "[0.0/0.0, 0.0/0.0].distinct()"),
    *("{0.0/0.0: 1}", "sets.contains([0.0/0.0], [0.0/0.0])", "[0.0/0.0].indexOf(0.0/0.0)", "-0.0 == 0.0", "[0.0].indexOf(-0.0)", "1.0 / -0.0", "[-0.0, 0.0].distinct()"),
    *("'%s'.format([-0.0])", "'%d'.format([1.5])", "'%f'.format([1])", "'%e'.format([1u])", "'%s'.format([0.0/0.0])", "'%f'.format([1.0/0.0])", "'%d'.format(['1'])"),
    *("'%x'.format(['é'])", "'%X'.format([b'\\xff'])", "'%x'.format([-255])", "'%o'.format([-8])", "'%b'.format([true])", "'%b'.format([-5])", "'%X'.format([18446744073709551615u])"),
    *("'%s'.format([null])", "'%s'.format([[1, 'a', 1.5, b'x', null, duration('1s'), timestamp(0)]])", "'%s'.format([{'b': 1, 'a': [2u]}])", "'%s'.format([type(1)])"),
    *("'%s'.format([dyn([1, 'a', 1.5, b'x', null, duration('1.5s'), timestamp(0)])])", "'%s'.format([{'b': dyn(1), 'a': dyn([2u])}])", "'%s'.format([optional.of(1)])"),
    *("'%s'.format([quantity('1')])", "'%s'.format([ip('::1')])", "'%s'.format([{1: 2}])", "'%s'.format([{1.5: 2}])", "'%s'.format([{true: null}])", "'%s'.format([])"),
    *("'%s %s'.format(['a'])", "'%s'.format(['a', 'b'])", "'a'.format([1])", "'%'.format([1])", "'%%'.format([])", "'%.3f'.format([2.0005])", "'%.0f'.format([0.5])"),
    *("'%.0f'.format([1.5])", "'%.0f'.format([2.5])", "'%.3e'.format([1234567.891])", "'%f'.format(['NaN'])", "'%f'.format(['Infinity'])", "'%e'.format(['-Infinity'])"),
    *("'%s'.format([1e21])", "'%s'.format([1e6])", "'%s'.format([123456789.5])", "'%s'.format([1e-7])", "'%s'.format([duration('-1ns')])", "'%s'.format([duration('100h')])"),
    *("duration('1h') + duration('9223372036s')", "duration('9223372036.854775807s')", "duration('9223372036.854775808s')", "duration('-9223372036.854775808s')"),
    *("duration('1h').getHours()", "duration('-90m').getHours()", "duration('1.5s').getMilliseconds()", "duration('-1.5s').getSeconds()", "duration('100h').getMinutes()"),
    *("timestamp('2024-01-02T03:04:05Z') - timestamp('1700-01-01T00:00:00Z')", "timestamp('9999-12-31T23:59:59Z') + duration('1s')", "timestamp(253402300800)"),
    *("timestamp('0001-01-01T00:00:00Z') - duration('1ns')", "timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z')", "int(timestamp(-1))", "timestamp(-62135596800)"),
    *("string(timestamp('2024-01-02T03:04:05.100Z'))", "string(timestamp('2024-01-02T03:04:05+02:00'))", "string(duration('1h30m'))", "string(duration('1.000000001s'))"),
    *("string(duration('-1ns'))", "string(duration('0s'))", "string(timestamp(0))", "timestamp('2024-01-02T03:04:05.123456789123Z')", "timestamp('2024-01-02T03:04:05.Z')"),
    *("timestamp('2024-01-02T03:04:05Z').getHours('-23:59')", "timestamp(0).getFullYear('-00:01')", "timestamp(0).getDayOfYear('America/New_York')", "timestamp(0).getHours('+14:00')"),
    *("timestamp('2024-03-10T07:30:00Z').getHours('America/New_York')", "timestamp('2024-11-03T06:30:00Z').getHours('America/New_York')", "timestamp('1880-01-01T00:00:00Z').getMinutes('Europe/Berlin')"),
    *("timestamp('2500-07-01T00:00:00Z').getHours('Europe/Berlin')", "timestamp('0001-01-01T00:00:00Z').getFullYear('America/New_York')", "timestamp('9999-12-31T23:59:59Z').getFullYear('Asia/Tokyo')"),
    *("'abc'.substring(1, 1)", "'abc'.substring(4)", "'abc'.charAt(3)", "'abc'.charAt(4)", "'abc'.indexOf('', 3)", "'abc'.indexOf('', 4)", "'abc'.lastIndexOf('', 3)", "'abc'.lastIndexOf('a', -1)"),
    *("''.indexOf('')", "''.lastIndexOf('')", "'abc'.lastIndexOf('')", "'abc'.replace('', '-', 2)", "'abc'.replace('b', '', 0)", "'abc'.replace('b', 'x', -1)", "'a,b,c'.split(',', 0)"),
    *("'a,b,c'.split(',', 1)", "'a,b,c'.split(',', -1)", "'abc'.split('')", "''.split('')", "''.split(',')", "[].join()", "['a'].join('-')", "[''].join('-')", "['a', ''].join('-')"),
    *("[1, 2].join(',')", "dyn([1]).join(',')", "'ab'.reverse()", "strings.quote('\\x00\\u200b\\\\\"')", "'a'.matches('')", "'a\\nb'.matches('a.b')", "'a\\nb'.matches('^b')", "'a\\n'.matches('a$')"),
    *("[].sum()", "[].min()", "[].max()", "['a'].sum()", "[1, 2u].sum()", "[duration('1s'), duration('2s')].sum()", "[9223372036854775807, 1].sum()", "[1e308, 1e308].sum()", "dyn([1, 2.5]).sum()"),
    *("dyn([1, 'a']).max()", "dyn([1, 2u]).max()", "[[1]].min()", "[true, false].max()", "[b'a', b'b'].max()", "[timestamp(0)].max()", "[3, 1, 2].sort()", "['b', 'a'].isSorted()", "dyn([3, 'a']).sort()"),
    *("dyn([3, 1u, 2.5]).sort()", "[[1], [2]].sort()", "[null].sort()", "[].sort()", "lists.range(-1)", "lists.range(0)", "[1, 2, 3].slice(-1, 2)", "[1, 2, 3].slice(2, 1)", "[1, 2, 3].slice(0, 4)"),
    *("[[1, [2]], [3]].flatten()", "[[[1]]].flatten(2)", "[[[1]]].flatten(-1)", "[[[1]]].flatten(0)", "[1].flatten()", "dyn([[1], 2]).flatten(5)", "[1, 1u, 1.0].distinct()", "dyn([1, 1u, 1.0, '1']).distinct()"),
    *("dyn([{}, {}, {'a': 1}]).distinct()", "dyn([null, null, [], []]).distinct()", "[1, 2].first()", "[].first()", "[].last().orValue(1)", "dyn([1, 'a']).reverse()", "'abc'.reverse()", "'a'.first()"),
    *("[1, 2, 3].indexOf(2u)", "dyn([1, 2.0]).indexOf(2)", "[1].lastIndexOf(1.0)", "sets.equivalent([1, 1], [1])", "sets.contains([], [])", "sets.intersects([], [])", "sets.contains([1], [1u])"),
    *("quantity('1') == quantity('1000m')", "quantity('1').add(quantity('1')) == quantity('2')", "quantity('2') == quantity('1').add(1)", "quantity('0.1').asInteger()", "quantity('1e18').asInteger()"),
    *("quantity('1').add(9223372036854775807).asInteger()", "quantity('9223372036854775807').add(1)", "quantity('-9223372036854775808').sub(1)", "quantity('1Ki').add(quantity('1k'))", "quantity('1k').add(quantity('1Ki'))"),
    *("quantity('1e3').add(quantity('1'))", "quantity('0').add(quantity('1Ki'))", "quantity('1').sub(quantity('1'))", "quantity('100m').sub(quantity('100m'))", "quantity('1.5Gi').asApproximateFloat()"),
    *("quantity('1').isInteger()", "quantity('1.0').isInteger()", "quantity('0.1').isInteger()", "quantity('9999999999999999999').isInteger()", "quantity('1e-9').asApproximateFloat()", "sign(quantity('-0'))"),
    *("quantity('1000000000000000000000').asApproximateFloat()", "quantity('1E').asInteger()", "quantity('8Ei').asInteger()", "quantity('7Ei').asInteger()", "quantity('1n').asApproximateFloat()", "quantity('0.5n')"),
    *("quantity('123456789.987654321').sub(quantity('0.000000001'))", "quantity('1Mi').add(quantity('1m'))", "quantity('3000m')", "quantity('1500m').add(0)", "quantity('1.5').add(0)", "quantity('1024Ki').add(0)"),
)  # fmt: skip


def literals() -> Iterator[str]:
    """Syntax and values at their edges."""
    yield from LITERALS


def everything() -> Iterator[str]:
    """All of it."""
    for part in (deep, wide, costly, numbers, characters, literals):
        yield from part()
