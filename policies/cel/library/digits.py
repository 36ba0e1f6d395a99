"""The digits of a floating-point number, and how Go writes them: the shortest that read back."""

import math


def shortest(value: float) -> tuple[str, str, int]:
    """Sign, significant digits, and the decimal exponent of the first: 0.015 is ('', '15', -2)."""
    text = repr(abs(value))
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = len(whole) - 1 - (len(whole + fraction) - len(digits)) + int(power or 0)
    sign = "-" if math.copysign(1, value) < 0 else ""
    return (sign, digits.rstrip("0"), exponent) if digits else (sign, "0", 0)


def scientific(digits: str, exponent: int) -> str:
    """As in 1.5e-07."""
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def plain(digits: str, exponent: int) -> str:
    """As in 0.00000015."""
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return digits.ljust(exponent + 1, "0")
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"
