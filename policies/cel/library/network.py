"""IP addresses and networks, as Go's net/netip reads them; zones and IPv4 inside IPv6 are refused."""

from __future__ import annotations

import re
from math import ceil

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, method, table
from policies.cel.library.quoting import quoted
from policies.cel.sizes import notation
from policies.cel.types import BOOL, INT, STRING, OpaqueType
from policies.cel.values import LibraryValue, Value

IP_TYPE = OpaqueType("net.IP")
CIDR_TYPE = OpaqueType("net.CIDR")
_BITS = {4: 32, 6: 128}
_PREFIX = re.compile(r"[1-9][0-9]*|0")


class AddressError(Exception):
    """The text isn't an address; the message is the one that Go gives."""


class Ip(LibraryValue):
    """An address: its version and its number."""

    __slots__ = ("number", "version")
    cel_type = IP_TYPE

    def __init__(self, version: int, number: int) -> None:
        self.version = version
        self.number = number

    def __str__(self) -> str:
        return _v4_text(self.number) if self.version == 4 else _v6_text(self.number)

    def __repr__(self) -> str:
        return f"ip({str(self)!r})"

    @property
    def cel_size(self) -> int:
        return _BITS[self.version] // 8

    def cel_equal(self, other: Value) -> bool:
        if type(other) is not Ip:
            raise EvaluationError("no such overload")
        return self.version == other.version and self.number == other.number

    def cel_mark(self) -> object:
        return self.version, self.number

    def cel_native(self) -> Value:
        return EvaluationError(f"unsupported conversion to ref.Val: (netip.Addr){self}")


class Cidr(LibraryValue):
    """An address and the length of its prefix; bits beyond the prefix may be set."""

    __slots__ = ("bits", "ip")
    cel_type = CIDR_TYPE

    def __init__(self, ip: Ip, bits: int) -> None:
        self.ip = ip
        self.bits = bits

    def __str__(self) -> str:
        return f"{self.ip}/{self.bits}"

    def __repr__(self) -> str:
        return f"cidr({str(self)!r})"

    @property
    def cel_size(self) -> int:
        return -(-self.bits // 8)

    def cel_equal(self, other: Value) -> bool:
        if type(other) is not Cidr:
            raise EvaluationError("no such overload")
        return self.bits == other.bits and self.ip.cel_equal(other.ip)

    def cel_mark(self) -> object:
        return self.bits, self.ip.cel_mark()

    def cel_native(self) -> Value:
        return EvaluationError(f"unsupported conversion to ref.Val: (netip.Prefix){self}")


# reading and writing addresses


def parse_address(text: str) -> tuple[Ip, bool]:
    """The address, and whether it is an IPv4 address in IPv6 notation. Raises AddressError."""
    for character in text:
        if character == ".":
            return Ip(4, _parse_v4(text, text)), False
        if character == ":":
            return _parse_v6(text)
        if character == "%":
            raise _unreadable(text, "missing IPv6 address")
    raise _unreadable(text, "unable to parse IP")


def _unreadable(text: str, why: str, at: str = "") -> AddressError:
    place = f" (at {quoted(at)})" if at else ""
    return AddressError(f"ParseAddr({quoted(text)}): {why}{place}")


def _parse_v4(text: str, part: str) -> int:
    fields = part.split(".")
    number = 0
    for field in fields[:4]:
        if not field or not field.isascii() or not field.isdigit():
            rest = field.lstrip("0123456789")
            if rest:
                raise _unreadable(text, "unexpected character", rest + part.partition(field)[2])
            raise _unreadable(text, "IPv4 field must have at least one digit")
        if len(field) > 1 and field[0] == "0":
            raise _unreadable(text, "IPv4 field has octet with leading zero")
        if len(field) > 3 or int(field) > 255:
            raise _unreadable(text, "IPv4 field has value >255")
        number = number << 8 | int(field)
    if len(fields) > 4:
        raise _unreadable(text, "IPv4 address too long")
    if len(fields) < 4:
        raise _unreadable(text, "IPv4 address too short")
    return number


def _parse_v6(text: str) -> tuple[Ip, bool]:
    address, percent, zone = text.partition("%")
    if percent and not zone:
        raise _unreadable(text, "zone must be a non-empty string")
    groups, gap = _groups(text, address)
    if len(groups) < 8:
        if gap is None:
            raise _unreadable(text, "address string too short")
        groups[gap:gap] = [0] * (8 - len(groups))
    elif gap is not None:
        raise _unreadable(text, "the :: must expand to at least one field of zeros")
    number = 0
    for group in groups:
        number = number << 16 | group
    if zone:
        raise AddressError(f"IP address {quoted(text)} with zone value is not allowed")
    return Ip(6, number), number >> 32 == 0xFFFF


def _groups(text: str, address: str) -> tuple[list[int], int | None]:
    """The 16-bit groups as written, and where `::` stands."""
    groups: list[int] = []
    gap: int | None = None
    rest = address
    if rest.startswith("::"):
        gap, rest = 0, rest[2:]
    while rest and len(groups) < 8:
        digits = re.match(r"[0-9a-fA-F]*", rest)
        assert digits is not None
        field = digits[0]
        if len(field) > 4:
            raise _unreadable(text, "each group must have 4 or less digits", rest)
        if not field:
            raise _unreadable(text, "each colon-separated field must have at least one digit", rest)
        following = rest[len(field) :]
        if following.startswith("."):
            return _with_v4_tail(text, rest, groups, gap)
        groups.append(int(field, 16))
        if not following:
            return groups, gap
        if following[0] != ":":
            raise _unreadable(text, "unexpected character, want colon", following)
        if following == ":":
            raise _unreadable(text, "colon must be followed by more characters", following)
        rest = following[1:]
        if rest[0] == ":":
            if gap is not None:
                raise _unreadable(text, "multiple :: in address", rest)
            gap, rest = len(groups), rest[1:]
    if rest:
        raise _unreadable(text, "trailing garbage after address", rest)
    return groups, gap


def _with_v4_tail(text: str, rest: str, groups: list[int], gap: int | None) -> tuple[list[int], int | None]:
    if gap is None and len(groups) != 6:
        raise _unreadable(text, "embedded IPv4 address must replace the final 2 fields of the address", rest)
    if len(groups) > 6:
        raise _unreadable(text, "too many hex fields to fit an embedded IPv4 at the end of the address", rest)
    number = _parse_v4(text, rest)
    return [*groups, number >> 16, number & 0xFFFF], gap


def _v4_text(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _v6_text(number: int) -> str:
    groups = [f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join(groups)
    return f"{':'.join(groups[:start])}::{':'.join(groups[start + length :])}"


def _longest_zeros(groups: list[str]) -> tuple[int, int]:
    best = (0, 0)
    start = 0
    for position, group in enumerate([*groups, "end"]):
        if group != "0":
            if position - start > best[1]:
                best = (start, position - start)
            start = position + 1
    return best


def parse_ip(text: str) -> Ip:
    """Raises EvaluationError."""
    try:
        address, mapped = parse_address(text)
    except AddressError as error:
        if "zone value" in str(error):
            raise EvaluationError(str(error)) from error
        raise EvaluationError(
            f"IP Address {quoted(text)} parse error during conversion from string: {error}"
        ) from error
    if mapped:
        raise EvaluationError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return address


def parse_cidr(text: str) -> Cidr:
    """Raises EvaluationError."""
    try:
        return _prefix(text)
    except AddressError as error:
        raise EvaluationError(f"network address parse error during conversion from string: {error}") from error


def _prefix(text: str) -> Cidr:
    again = "network address parse error during conversion from string: "
    address, slash, bits = text.rpartition("/")
    if not slash:
        raise AddressError(f"{again}netip.ParsePrefix({quoted(text)}): no '/'")
    try:
        ip, mapped = parse_address(address)
    except AddressError as error:
        why = "IPv6 zones cannot be present in a prefix" if "zone value" in str(error) else str(error)
        raise AddressError(f"{again}netip.ParsePrefix({quoted(text)}): {why}") from error
    if not _PREFIX.fullmatch(bits):
        raise AddressError(f"{again}netip.ParsePrefix({quoted(text)}): bad bits after slash: {quoted(bits)}")
    if len(bits) > 3 or int(bits) > _BITS[ip.version]:
        raise AddressError(f"{again}netip.ParsePrefix({quoted(text)}): prefix length out of range")
    if mapped:
        raise AddressError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return Cidr(ip, int(bits))


# questions


def _holds(network: Cidr, ip: Ip) -> bool:
    rest = _BITS[network.ip.version] - network.bits
    return ip.version == network.ip.version and ip.number >> rest == network.ip.number >> rest


def contains_ip(network: Cidr, ip: Ip) -> bool:
    return _holds(network, ip)


def contains_cidr(network: Cidr, other: Cidr) -> bool:
    return network.bits <= other.bits and _holds(network, other.ip)


def masked(network: Cidr) -> Cidr:
    rest = _BITS[network.ip.version] - network.bits
    return Cidr(Ip(network.ip.version, network.ip.number >> rest << rest), network.bits)


def is_canonical(text: str) -> bool:
    return str(parse_ip(text)) == text


def is_unspecified(ip: Ip) -> bool:
    return ip.number == 0


def is_loopback(ip: Ip) -> bool:
    return ip.number >> 24 == 127 if ip.version == 4 else ip.number == 1


def is_link_local_multicast(ip: Ip) -> bool:
    return ip.number >> 8 == 0xE00000 if ip.version == 4 else ip.number >> 112 & 0xFF0F == 0xFF02


def is_link_local_unicast(ip: Ip) -> bool:
    return ip.number >> 16 == 0xA9FE if ip.version == 4 else ip.number >> 118 == 0xFE80 >> 6


def _is_multicast(ip: Ip) -> bool:
    return ip.number >> 28 == 0xE if ip.version == 4 else ip.number >> 120 == 0xFF


def is_global_unicast(ip: Ip) -> bool:
    if ip.version == 4 and ip.number == 0xFFFFFFFF:
        return False
    return not (is_unspecified(ip) or is_loopback(ip) or _is_multicast(ip) or is_link_local_unicast(ip))


def _readable(read: object, text: str) -> bool:
    try:
        read(text)  # type: ignore[operator]
    except EvaluationError:
        return False
    return True


# what they cost


def _contains_ip_cost(network: Value, *_: object) -> int:
    return ceil(cost.size(network) * 2 * cost.STRING_FACTOR)


def _contains_ip_text_cost(network: Value, text: Value, *_: object) -> int:
    return _contains_ip_cost(network) + cost.traversal(text)


def _contains_cidr_cost(network: Value, *_: object) -> int:
    return _contains_ip_cost(network) + cost.traversal(network) + 1


def _contains_cidr_text_cost(network: Value, text: Value, *_: object) -> int:
    return _contains_cidr_cost(network) + cost.traversal(text)


_short_ip, _short_cidr = notation(parse_ip), notation(parse_cidr)


def _question(name: str, call: object) -> Function:
    return Function(name, [method([IP_TYPE], BOOL, call)], cost=1)  # type: ignore[arg-type]


TABLE = table(
    Function("ip", [free([STRING], IP_TYPE, notation(parse_ip), cost.traversal)]),
    Function("ip", [method([CIDR_TYPE], IP_TYPE, lambda network: network.ip, 1)], unresolved=cost.traversal),
    Function("isIP", [free([STRING], BOOL, notation(lambda text: _readable(parse_ip, text)))], cost=cost.traversal),
    Function("ip.isCanonical", [free([STRING], BOOL, notation(is_canonical))], cost=cost.two_traversals),
    Function("family", [method([IP_TYPE], INT, lambda ip: ip.version)], cost=1),
    _question("isUnspecified", is_unspecified),
    _question("isLoopback", is_loopback),
    _question("isLinkLocalMulticast", is_link_local_multicast),
    _question("isLinkLocalUnicast", is_link_local_unicast),
    _question("isGlobalUnicast", is_global_unicast),
    Function("string", [free([IP_TYPE], STRING, str), free([CIDR_TYPE], STRING, str)]),
    Function("cidr", [free([STRING], CIDR_TYPE, notation(parse_cidr))], cost=cost.traversal),
    Function("isCIDR", [free([STRING], BOOL, notation(lambda text: _readable(parse_cidr, text)))], cost=cost.traversal),
    Function(
        "containsIP",
        [
            method([CIDR_TYPE, STRING], BOOL, lambda a, b: contains_ip(a, _short_ip(b)), _contains_ip_text_cost),
            method([CIDR_TYPE, IP_TYPE], BOOL, contains_ip, _contains_ip_cost),
        ],
        unresolved=_contains_ip_cost,
    ),
    Function(
        "containsCIDR",
        [
            method([CIDR_TYPE, STRING], BOOL, lambda a, b: contains_cidr(a, _short_cidr(b)), _contains_cidr_text_cost),
            method([CIDR_TYPE, CIDR_TYPE], BOOL, contains_cidr, _contains_cidr_cost),
        ],
        unresolved=_contains_cidr_cost,
    ),
    Function("prefixLength", [method([CIDR_TYPE], INT, lambda network: network.bits)], cost=1),
    Function("masked", [method([CIDR_TYPE], CIDR_TYPE, masked)], cost=1),
)
