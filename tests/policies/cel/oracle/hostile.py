"""Expressions that try to be too much: too deep, too long, too wide, at the edge of every number, in odd characters.

Most are made here and not written down, because they are long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

DEPTHS = (10, 100, 110, 120, 124, 125, 126, 130, 200, 240, 245, 248, 249, 250, 251, 252, 255, 260, 300, 1000, 5000)
LENGTHS = (10, 31, 32, 33, 63, 64, 65, 100, 1000)


def deep() -> Iterator[str]:
    """Nesting of every kind, around the depth at which the API server's parser gives up."""
    for n in DEPTHS:
        yield "(" * n + "1" + ")" * n
        yield "[" * n + "]" * n
        yield "-" * n + "1"
        yield "!" * n + "true"
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
        yield "[1]" + ".map(a, a)" * n
        yield "dyn(" * n + "1" + ")" * n
        yield "1" + " < 1 == true" * n
        yield "has(object" + ".a" * n + ")"
        yield "a" + ".a" * n + "{}"
        if n <= 100 or n > 255:  # in between the API server's checker takes minutes
            yield "{1: " * n + "1" + "}" * n
            yield "[1].map(a, " * n + "1" + ")" * n
            yield "optional.of(" * n + "1" + ")" * n


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
        ones = f"[{', '.join(['1'] * n)}]"
        yield f"{ones}.all(a, {ones}.all(b, {ones}.all(c, a == b)))"
        yield f"{ones}.map(a, {ones}.map(b, a + b))"
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


def bombs() -> Iterator[str]:
    """What costs the API server little by its count, and would cost us much if we let it."""
    for pattern in (
        "(x+)+$",
        "(x|xx)*y",
        "(.*)*(.*)*a",
        "(?i)(x?){50}x{50}",
        "[a-z]{1000}",
        "(a{30}){30}",
        "x{1,1000}",
    ):
        for n in (10, 1000, 20_000):
            yield f"'{'x' * n}'.matches('{pattern}')"
            yield f"'{'x' * n}'.find('{pattern}')"
            yield f"'{'x' * n}'.findAll('{pattern}').size()"
            yield f"'{'x' * n}'.matches(dyn('{pattern}'))"
            yield f"lists.range(100).all(i, '{'x' * n}'.matches('{pattern}' + string(i)))"
    for pattern in (
        "\\\\pL{1000}",
        "(\\\\pL{100}){10}",
        "[^a]{1000}",
        "(?i)[\\\\pL]{500}",
        "(.{100}){10}",
        "(((((a{10}){10}){10}",
    ):
        yield f"'x'.matches('{pattern}')"
        yield f"'x'.matches(dyn('{pattern}'))"
    for depth in (10, 500, 999, 1000, 1001, 5000):
        yield f"'x'.matches('{'(' * depth}a{')' * depth}')"
        yield f"'x'.matches('{'a|' * depth}b')"
        yield f"'x'.matches('{'[a-z]?' * depth}b')"
    for times in (1, 5, 8, 10, 15, 20):
        doubled = "'xxxxxxxxxx'" + ".replace('x', 'xx')" * times
        yield f"{doubled}.size()"
        yield f"{doubled}.split('').size()"
        yield f"{doubled}.replace('', 'yyyyyyyyyy').size()"
        yield f"{doubled}.lowerAscii() == {doubled}.upperAscii()"
        yield f"{doubled}.find('y')"
        yield f"[{doubled}].map(s, s + s).map(s, s + s).map(s, s + s)[0].size()"
        yield f"bytes({doubled}).size()"
        yield f"url('http://a/' + {doubled}).getEscapedPath().size()"
        yield f"quantity({doubled.replace('x', '1')}).sign()"
        yield f"[{doubled}] == [{doubled}]"
    for width in (1, 100, 1000, 100_000, 10**9, 10**18):
        yield f"'%.{width}f'.format([1.5])"
        yield f"'%.{width}e'.format([1.5])"
        yield f"'%{width}d'.format([1])"
        yield f"'{'%.100f' * min(width, 1000)}'.format([1.5])"
        yield f"lists.range({width}).size()"
        yield f"lists.range({min(width, 1000)}).map(i, lists.range({min(width, 1000)})).flatten().size()"
        yield f"'x'.replace('x', 'y', {width})"
        yield f"[1].flatten({width})"
        yield f"'a,b'.split(',', {width})"
    doubling = "[1, 1]"
    for _ in range(24):
        doubling = f"[{doubling}].map(l, l + l)[0]"
    yield f"{doubling}.size()"
    yield f"{doubling} == {doubling}"
    yield "[0].map(a, [a, a])" + ".map(a, [a, a])" * 30 + " == [1]"
    yield "[[0]].map(a, [a, a])" + ".map(a, [a, a])" * 24 + ".flatten(26).size()"
    yield "{'a': 1}" + ".transformMap(k, v, [v, v])" * 30 + " == {'a': [1]}"
    yield "lists.range(1000).map(i, lists.range(1000)) == lists.range(1000).map(i, lists.range(1000))"
    yield "lists.range(1000).map(i, string(i)).distinct().size()"
    yield "lists.range(700).map(i, [i]).distinct().size()"
    yield "sets.equivalent(lists.range(700).map(i, [i]), lists.range(700).map(i, [i]))"
    yield "lists.range(100000).map(i, string(i)).join(',').size()"
    yield "lists.range(50000).map(i, 'abc').join().find('c+$')"
    yield "lists.range(50000).all(i, timestamp(i).getHours('Europe/Berlin') >= 0)"
    yield "lists.range(3000).all(i, quantity('1e4000').add(quantity('1e-9')).sign() == 1)"
    yield "lists.range(30000).all(i, url('https://example.com/' + string(i)).getHost() == 'example.com')"
    yield "lists.range(30000).all(i, '%s %d %x %.3f'.format([i, i, i, 1.5]) != '')"
    yield "lists.range(20000).all(i, ip('2001:db8::1').family() == 6)"
    yield "lists.range(20000).all(i, !format.dns1123Subdomain().validate('a.b').hasValue())"


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


CODE_POINTS = (
    *(0x00, 0x01, 0x7F, 0x80, 0x85, 0xA0, 0xAD, 0x0130, 0x0131, 0x017F, 0x212A, 0x1E9E, 0x2028, 0x200B, 0x3000, 0xFEFF),
    *(0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF, 0x0661, 0xFF11, 0x0660, 0x0301),
)
# C stands for the character, T for a text with it
ABOUT_CHARACTERS = (
    "T.size() + bytes(T).size()",
    "[T.upperAscii(), T.lowerAscii(), T.trim(), strings.quote(T), T.charAt(1)]",
    "[T.indexOf('b'), T.lastIndexOf('C'), T.indexOf('', 2)]",
    "[T.substring(1), T.substring(0, 2), T.replace('C', 'xy'), T.replace('', '-')]",
    "[T.split(''), T.split('C'), T.split('', 2)]",
    r"[T.matches('^a.b.$'), T.matches('(?i)ACB'), T.matches('\\w'), T.matches('\\s')]",
    r"[T.find('[^a-z]+'), T.find('\\pL+'), T.find('(?i)C'), T.find('\\b.')]",
    r"T.findAll('.') + T.findAll('') + T.findAll('\\W')",
    "[' CaC '.trim(), 'C'.trim(), 'C'.lowerAscii()]",
    "['b' < 'C', 'C' < 'é', bytes('C') < b'b']",
    "'%s|%s'.format([T, [T]])",
    "[url('http://a/C').getEscapedPath()]",
    "[isURL('C'), isIP('C'), isCIDR('C'), isQuantity('C'), isSemver('C')]",
    "format.labelValue().validate(T).hasValue() || format.dns1123Label().validate(T).hasValue()",
    "[int('C') == 0]",
    "object['C'] == {'C': 1}['C']",
)
AROUND_CHARACTERS = ("1 +C1", "object.C", "C", "[1]//C\n", "r'C' + '''C''' + \"C\"", "b'C'", "object.aC", "trueC")


def characters() -> Iterator[str]:
    """Odd characters in texts, patterns and where no character belongs."""
    for code in CODE_POINTS:
        for written in (chr(code), f"\\U{code:08x}"):
            yield from (form.replace("T", "'aCbC'").replace("C", written) for form in ABOUT_CHARACTERS)
        yield from (form.replace("C", chr(code)) for form in AROUND_CHARACTERS)


def edges() -> Iterator[str]:
    """Syntax and values at their edges, each written down in `edges.json`."""
    yield from json.loads(Path(__file__).with_name("edges.json").read_text())


def constructed() -> Iterator[str]:
    """What mutations construct, and all that may be done with it."""
    yield from json.loads(Path(__file__).with_name("constructed.json").read_text())


def everything() -> Iterator[str]:
    """All of it."""
    for part in (deep, wide, costly, bombs, numbers, characters, edges):
        yield from part()
