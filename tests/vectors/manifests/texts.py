"""Prints the texts of kubectl.jsonl, one JSON string a line: scalars of every look in every place, and structures."""

import json
import sys
from collections.abc import Iterator
from random import Random

WORDS = """
y Y yes Yes YES yEs n N no NO On on off OFF true True TRUE tRUE false ~ null Null NULL nULL
0 00 08 017 0o17 0O17 0x1F 0X1f 0b101 0B1 0b 0x -0b11 +0b11 -0x10 +12 -12 1_000 1__0 _1 1_ 0x_1
0_8 0b1_0 0o_7 0_7 --1 +-1
1. 1.5 .5 -.5 +.5 .5_0 ._5 .5_ .5__0 1e3 1E3 1e+3 1.5e-3 1e400 -1e400 .5e999 1e-400 .inf -.inf +.Inf .NaN NaN inf
-0 -0.0 0.0 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615
18446744073709551616 +18446744073709551615 0xFFFFFFFFFFFFFFFF 0x1FFFFFFFFFFFFFFFF 0777777777777777777777777
9007199254740993.0 1234567890123456789.0 1e17 1e18 123456789012345678901234567890
2001-01-01 2001-12-14t21:59:43.10-05:00 1:30 190:20:30 1:30.5 = << 1.0 100.0 1e21 1e20 1.7976931348623157e308 4.9e-324
0.1 12e03 0e0 0. + - . .. +. -. e3 1e 1e+ 0x1.8p1 0x1p-2 1e1_0 1_0.5 0.1_0 Infinity -.Inf .INF
"""
ODD = [
    "",
    "''",
    "'12'",
    '"yes"',
    '"\\u00e9\\x41\\n"',
    "a b",
    "foo #c",
    "foo#c",
    "!!str 12",
    "!!str yes",
    "!!str",
    "!!int '12'",
    "!!int 1.0",
    "!!int x",
    "!!int 010",
    "!!float 1",
    "!!float 1.5",
    "!!float 0x10",
    "!!bool yes",
    "!!bool 1",
    "!!bool on",
    "!!null ''",
    "!!null x",
    "!!binary aGk=",
    "!!timestamp 2001-01-01",
    "!!timestamp 1",
    "!foo 12",
    "! 12",
    "! '12'",
    "1 000",
    "\u0661",
    "|\n  a\n  b",
    ">\n  a\n  b",
    "|-\n  a",
    "|+\n  a\n\n",
    ">\n  a\n\n   b\n  c",
]
PLACES = ["a: {}", "- {}", "{}: 1", "[ {} ]", "? {}\n: 2"]
STRUCTURES = [
    "a: &x {b: 1}\nc: *x",
    "a: &x {b: 1}\nc: {<<: *x, d: 2}",
    "a: &x {b: 1}\nc: {<<: *x, b: 2}",
    "a: &x {b: 1}\nc: {b: 2, <<: *x}",
    "a: &x {b: 1}\nd: &y {b: 2, e: 3}\nc: {<<: [*x, *y]}",
    "c: {<<: {a: 1}}",
    "c: {'<<': {a: 1}}",
    "c: {<<: 1}",
    "c: {<<: [1]}",
    "a: &x [*x]",
    "a: &x 1\nb: &x 2\nc: *x",
    "a: &x {k: &x 1, l: *x}\nb: *x",
    "a: *x",
    "a: b: c",
    "a:\n\t- b",
    "a: [1, 2",
    "a: {b: 1",
    "a: 'b",
    "a: @b",
    "a: `b`",
    "? [a]\n: b",
    "? {a: 1}\n: b",
    "a: !!set {b, c}",
    "a: !!omap [b: 1]",
    "%YAML 1.1\n---\na: 1",
    "%YAML 2.0\n---\na: 1",
    "%TAG ! tag:example.com,2000:\n---\na: !b 1",
    "a: 1\r\nb: 2\r\n",
    "\ufeffa: 1",
    "a: |2\n   b\n",
    'a: "b\n  c"',
    "a: b\n  c",
    "- - - a",
    "-\n  a: 1\n  b: 2\n-",
    "{}",
    "[]",
    "# only a comment",
    "a: [b, c: d, {e: f}]",
    "a: {b, c: , d: }",
    "'a': \"b\"",
    "a:\n- b\n- c",
    "a: --- b",
    "a: |\n  ---\n  b",
    'a: "\\ud800"',
    'a: "\\q"',
    "a: \x01",
    "a: x\u0085b: 1",
]
LETTERS = "+-.0123456789eExXoObB_yYnN~tTfF:"


def texts() -> Iterator[str]:
    """All texts, always the same."""
    for scalar in [*WORDS.split(), *ODD]:
        yield scalar
        for place in PLACES:
            if "\n" not in scalar or place == PLACES[0]:
                yield place.format(scalar) if place != "{}: 1" else f"{scalar}: 1"
    yield from STRUCTURES
    random = Random(7)
    for _ in range(1500):
        yield "a: " + "".join(random.choice(LETTERS) for _ in range(random.randint(1, 6)))


if __name__ == "__main__":
    for text in dict.fromkeys(texts()):
        sys.stdout.write(json.dumps(text) + "\n")
