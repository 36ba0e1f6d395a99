"""Text to tokens: what starts one, what kind it is, and where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given

from policies.cel import ParseError
from policies.cel.lexer import KEYWORDS, tokens
from policies.cel.literals import parse_bytes, parse_double, parse_int, parse_string, parse_uint
from policies.cel.values import UInt
from tests.policies.cel.sources import soups, texts


def kinds(source: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokens(source)[:-1]]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("abc_1", "name"),
        ("_", "name"),
        ("12", "int"),
        ("0xFf", "int"),
        ("12u", "uint"),
        ("0x1U", "uint"),
        ("1.5", "double"),
        ("1e3", "double"),
        (".5e-1", "double"),
        ("'a'", "string"),
        ('"""a"b"""', "string"),
        ("r'\\n'", "string"),
        ("b'a'", "bytes"),
        ("BR'a'", "bytes"),
        ("`a-b.c/d e`", "quoted"),
        ("&&", "&&"),
        ("in", "in"),
        ("null", "null"),
    ],
)
def test_kinds(source: str, kind: str) -> None:
    """A token's kind is what it is; marks and keywords are their own."""
    assert kinds(source) == [(kind, source)]


def test_places_count_code_points() -> None:
    """A token stands where it begins, in code points; space and comments are no tokens."""
    found = tokens("'😀' + // a comment\n\tb")
    assert [(token.text, token.at) for token in found] == [("'😀'", 0), ("+", 4), ("b", 20), ("", 21)]
    assert found[-1].kind == "end"


@pytest.mark.parametrize(
    ("source", "at", "hint"),
    [
        ("a & b", 2, "`&&`"),
        ("a | b", 2, "`||`"),
        ("a = b", 2, "`==`"),
        ("'abc", 0, "not closed"),
        ('x + "a\n"', 4, "not closed"),
        ("a # b", 2, ""),
        ("é", 0, ""),
        ("\x00", 0, ""),
    ],
)
def test_what_starts_no_token(source: str, at: int, hint: str) -> None:
    """The first character that starts none is named with its place, and what was probably meant."""
    with pytest.raises(ParseError) as refused:
        tokens(source)
    assert refused.value.offset == at
    assert hint in refused.value.hint


@given(soups | texts)
def test_tokens_are_the_text(source: str) -> None:
    """Every token is the text at its place, one after the other, with nothing but space and comments between."""
    try:
        found = tokens(source)
    except ParseError:
        return
    end = 0
    for token in found:
        assert source[token.at : token.at + len(token.text)] == token.text
        between = source[end : token.at]
        assert not between.strip() or "//" in between
        end = token.at + len(token.text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a'", "a"),
        (r"'\n\t\\\'\"\`\?\a\b\f\r\v'", "\n\t\\'\"`?\a\b\f\r\v"),
        (r"'\x41\101\u00e9\U0001F600'", "AA\u00e9😀"),
        (r"r'\n'", "\\n"),
        ('"""a\r\nb"""', "a\nb"),
        ("''", ""),
    ],
)
def test_strings(text: str, value: str) -> None:
    """Escapes are those of the specification; raw strings have none; line ends become one."""
    assert parse_string(text) == value


@pytest.mark.parametrize("text", [r"'\q'", r"'\ud800'", r"'\U00110000'", r"'\x4'", r"'\400'"])
def test_strings_that_mean_nothing(text: str) -> None:
    """Escapes that name no character are refused, by the tokens or by what reads them."""
    with pytest.raises((ValueError, ParseError)):
        assert tokens(text)[0].text == text
        parse_string(text)


def test_bytes_and_numbers() -> None:
    """Escapes in bytes are single bytes, other characters UTF-8; numbers end where CEL's do."""
    assert parse_bytes(r"'\xff\303é'") == b"\xff\xc3\xc3\xa9"
    assert parse_int("0x10") == 16
    assert parse_uint("18446744073709551615u") == UInt(2**64 - 1)
    assert parse_double("1e3") == 1000.0
    for parse, text in ((parse_uint, "18446744073709551616u"), (parse_double, "1e999")):
        with pytest.raises(ValueError, match="invalid"):
            parse(text)
    with pytest.raises(ValueError, match="unescape"):
        parse_bytes(r"'\u00e9'")


def test_keywords_are_words() -> None:
    """Every keyword is a word that a name could be."""
    assert all(word.isidentifier() for word in KEYWORDS)
    assert {"in", "true", "false", "null"} <= set(KEYWORDS)
