"""Damage to the text of an expression, for the parsers: what one refuses the other must refuse."""

from __future__ import annotations

from random import Random

_PIECES = (
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        ".?",
        "[?",
        "?",
        ":",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "==",
        "<",
    ),
    *(
        "in",
        " ",
        "'",
        '"',
        "\\",
        "r'",
        "b'",
        "0x",
        "1e",
        "1u",
        "1.",
        ".5",
        "00",
        "//c\n",
        "\n",
        "\t",
        "\x0c",
        "\u00a0",
        "_",
    ),
    *("é", "\x00", "$", "@", "true", "null", "if", "as", "var", "a", "`a`", "'''", '"""', "\\u00e9", "\\U00110000"),
    *("\\ud800", "1_0", "0u", "..", "=", "&", "|"),
)


def broken(text: str, random: Random) -> str:
    """The text with one to three small changes; it may still be valid."""
    for _ in range(random.randint(1, 3)):
        text = _once(text, random)
    return text


def _once(text: str, random: Random) -> str:
    place = random.randint(0, len(text))
    length = random.choice((1, 1, 2, 5))
    match random.randint(0, 4):
        case 0:
            return text[:place] + text[place + length :]
        case 1:
            return text[:place] + text[place : place + length] + text[place:]
        case 2:
            return text[:place] + random.choice(_PIECES) + text[place + length :]
        case 3:
            return text[:place]
    return text[:place] + random.choice(_PIECES) + text[place:]
