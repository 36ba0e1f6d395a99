"""URLs as Go's net/url reads them. Works on bytes, as Go does: an escape may stand for any byte."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Table, free, method, table
from policies.cel.library.network import AddressError, parse_address
from policies.cel.library.quoting import quoted
from policies.cel.sizes import notation
from policies.cel.types import BOOL, STRING, CelType, library_type, list_of, map_of
from policies.cel.values import LibraryValue, Value

URL: CelType = library_type("kubernetes.URL")

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_PATH = _UNRESERVED | frozenset(b"$&+,/:;=@")
_HOST = _UNRESERVED | frozenset(b"!\"$&'()*+,:;<=>[]")
_USER = _UNRESERVED | frozenset(b"$&+,;=")
_FRAGMENT = _UNRESERVED | frozenset(b"!$&()*+,/:;=?@")
_QUERY = _UNRESERVED
_KEPT_IN_PATH = _PATH | frozenset(b"!'()*[]%")
_KEPT_IN_FRAGMENT = _FRAGMENT | frozenset(b"!'()*[]%")
_USERINFO = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile(rb"(?::[0-9]*)?")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+\-.]*):")
_ESCAPE = re.compile(rb"%(?:([0-9A-Fa-f]{2})|.{0,2})", re.DOTALL)
_MAX_PARAMETERS = 10_000


class UrlError(Exception):
    """The text isn't a URL; the message is Go's."""


@dataclass(slots=True, eq=False)
class Url(LibraryValue):
    """The parts of a URL, decoded as Go decodes them."""

    scheme: bytes = b""
    opaque: bytes = b""
    user: bytes | None = None  # written again, with its password
    host: bytes = b""
    path: bytes = b""
    raw_path: bytes = b""  # where the default encoding of the path isn't what was written
    force_query: bool = False
    query: bytes = b""
    fragment: bytes = b""
    raw_fragment: bytes = b""
    omit_host: bool = False
    cel_type = URL

    def __str__(self) -> str:
        return _shown(_assembled(self))

    def cel_equal(self, other: Value) -> bool:
        if type(other) is not Url:
            raise EvaluationError("no such overload")
        return _assembled(self) == _assembled(other)

    def cel_native(self) -> Value:
        return EvaluationError(f"unsupported conversion to ref.Val: (*url.URL){self}")


def parse_request_uri(text: str, strict: bool) -> Url:
    """An absolute URL or an absolute path. `strict` refuses a second colon in the host of http and https."""
    try:
        return _parse(text.encode(errors="surrogatepass"), True, strict)
    except UrlError as error:
        raise UrlError(f"parse {quoted(text)}: {error}") from error


def parse(text: str, strict: bool) -> Url:
    """What `url()` yields: must be a request's URI, but may have a fragment. Raises EvaluationError."""
    try:
        parse_request_uri(text, strict)
        return _parse_reference(text, strict)
    except UrlError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from error


def _parse_reference(text: str, strict: bool) -> Url:
    try:
        rest, _, fragment = text.encode(errors="surrogatepass").partition(b"#")
        found = _parse(rest, False, strict)
        if fragment:
            found.fragment = _unescape(fragment, _FRAGMENT)
            found.raw_fragment = b"" if _escape(found.fragment, _FRAGMENT) == fragment else fragment
    except UrlError as error:
        raise UrlError(f"parse {quoted(text)}: {error}") from error
    return found


def _parse(text: bytes, request: bool, strict: bool) -> Url:
    if any(byte < 0x20 or byte == 0x7F for byte in text):
        raise UrlError("net/url: invalid control character in URL")
    if not text and request:
        raise UrlError("empty url")
    if text == b"*":
        return Url(path=b"*")
    if text.startswith(b":"):
        raise UrlError("missing protocol scheme")
    scheme = _SCHEME.match(text)
    url = Url(scheme=scheme[1].lower() if scheme else b"")
    rest = text[scheme.end() :] if scheme else text
    if rest.endswith(b"?") and rest.count(b"?") == 1:
        url.force_query, rest = True, rest[:-1]
    else:
        rest, _, url.query = rest.partition(b"?")
    if not rest.startswith(b"/"):
        if url.scheme:
            url.opaque = rest
            return url
        if request:
            raise UrlError("invalid URI for request")
        if b":" in rest.partition(b"/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    _set_path(url, _take_authority(url, rest, request, strict))
    return url


def _take_authority(url: Url, rest: bytes, request: bool, strict: bool) -> bytes:
    """Sets user and host; what follows them is the path."""
    if rest.startswith(b"//") and (url.scheme or (not request and not rest.startswith(b"///"))):
        authority, slash, path = rest[2:].partition(b"/")
        userinfo, at, host = authority.rpartition(b"@")
        url.host = _host(url.scheme, host, strict)
        if at:
            url.user = _user(userinfo)
        return slash + path
    if url.scheme and rest.startswith(b"/"):
        url.omit_host = True
    return rest


def _user(userinfo: bytes) -> bytes:
    if not _USERINFO.fullmatch(userinfo):
        raise UrlError("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(b":")
    return _escape(_unescape(name, _USER), _USER) + colon + _escape(_unescape(password, _USER), _USER)


def _host(scheme: bytes, host: bytes, strict: bool) -> bytes:
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise UrlError("invalid IP-literal")
    if bracket == 0:
        return _bracketed(host)
    colon = host.find(b":") if strict and scheme in (b"http", b"https") else host.rfind(b":")
    if colon >= 0 and not _PORT.fullmatch(host[colon:]):
        raise UrlError(f"invalid port {quoted(_shown(host[colon:]))} after host")
    return _unescape(host, _HOST)


def _bracketed(host: bytes) -> bytes:
    literal, bracket, port = host.rpartition(b"]")
    if not bracket:
        raise UrlError("missing ']' in host")
    if not _PORT.fullmatch(port):
        raise UrlError(f"invalid port {quoted(_shown(port))} after host")
    literal = literal[1:]
    zone = literal.find(b"%25")
    if zone >= 0:
        name = _unescape(literal[:zone], _HOST) + _unescape(literal[zone:], _HOST, zone=True)
    else:
        name = _unescape(literal, _HOST)
    _check_literal(_shown(name))
    return b"[" + name + b"]" + port


def _check_literal(name: str) -> None:
    try:
        address, _ = parse_address(name)
    except AddressError as error:
        if "zone value" in str(error):
            return
        raise UrlError(f"invalid host: {error}") from error
    if address.version == 4:
        raise UrlError("invalid IP-literal")


def _set_path(url: Url, path: bytes) -> None:
    url.path = _unescape(path, _PATH)
    url.raw_path = b"" if _escape(url.path, _PATH) == path else path


# escapes


def _unescape(text: bytes, allowed: frozenset[int], zone: bool = False) -> bytes:
    in_host = allowed is _HOST
    for escape in _ESCAPE.finditer(text):
        if escape[1] is None:
            raise UrlError(f"invalid URL escape {quoted(_shown(escape[0][:3]))}")
        byte = int(escape[1], 16)
        ascii_in_host = in_host and not zone and byte < 0x80 and escape[0] != b"%25"
        odd_in_zone = zone and escape[0] != b"%25" and byte != 0x20 and byte not in _HOST
        if ascii_in_host or odd_in_zone:
            raise UrlError(f"invalid URL escape {quoted(_shown(escape[0]))}")
    if in_host:
        for byte in _ESCAPE.sub(b"", text):
            if byte < 0x80 and byte not in _HOST:
                raise UrlError(f"invalid character {quoted(chr(byte))} in host name")
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text)


def _escape(text: bytes, allowed: frozenset[int]) -> bytes:
    if allowed.issuperset(text):
        return text
    return b"".join(bytes([byte]) if byte in allowed else b"%%%02X" % byte for byte in text)


def _shown(text: bytes) -> str:
    return text.decode(errors="replace")


# parts


def escaped_path(url: Url) -> bytes:
    if url.raw_path and _KEPT_IN_PATH.issuperset(url.raw_path):
        return url.raw_path
    return b"*" if url.path == b"*" else _escape(url.path, _PATH)


def _escaped_fragment(url: Url) -> bytes:
    if url.raw_fragment and _KEPT_IN_FRAGMENT.issuperset(url.raw_fragment):
        return url.raw_fragment
    return _escape(url.fragment, _FRAGMENT)


def _assembled(url: Url) -> bytes:
    text = url.scheme + b":" if url.scheme else b""
    if url.opaque:
        text += url.opaque
    else:
        text += _authority(url)
        path = escaped_path(url)
        if path and not path.startswith(b"/") and url.host:
            text += b"/"
        if not text and b":" in path.partition(b"/")[0]:
            text += b"./"
        text += path
    if url.force_query or url.query:
        text += b"?" + url.query
    return text + b"#" + _escaped_fragment(url) if url.fragment else text


def _authority(url: Url) -> bytes:
    if not (url.scheme or url.host or url.user is not None):
        return b""
    if url.omit_host and not url.host and url.user is None:
        return b""
    text = b"//" if url.host or url.path or url.user is not None else b""
    if url.user is not None:
        text += url.user + b"@"
    return text + _escape(url.host, _HOST)


def hostname(url: Url) -> bytes:
    host = url.host
    colon = host.rfind(b":")
    if colon >= 0 and _PORT.fullmatch(host[colon:]):
        host = host[:colon]
    return host[1:-1] if host.startswith(b"[") and host.endswith(b"]") else host


def port(url: Url) -> bytes:
    colon = url.host.rfind(b":")
    return url.host[colon + 1 :] if colon >= 0 and _PORT.fullmatch(url.host[colon:]) else b""


def query(url: Url) -> dict[str, list[str]]:
    """The parameters that can be read; others are dropped in silence, as Go's Query does."""
    found: dict[str, list[str]] = {}
    if url.query.count(b"&") >= _MAX_PARAMETERS:
        return found
    for pair in url.query.split(b"&"):
        if not pair or b";" in pair:
            continue
        key, _, value = pair.partition(b"=")
        try:
            name, text = _unescape_query(key), _unescape_query(value)
        except UrlError:
            continue
        found.setdefault(name, []).append(text)
    return found


def _unescape_query(text: bytes) -> str:
    return _shown(_unescape(text.replace(b"+", b" "), _QUERY))


def real_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has the day; also year 0, as in Go."""
    if not 1 <= month <= 12:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (29 if leap else 28) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    return 1 <= day <= days


def _table(strict: bool) -> Table:
    def is_url(text: str) -> bool:
        try:
            parse_request_uri(text, strict)
        except UrlError:
            return False
        return True

    parts = {
        "getScheme": lambda url: _shown(url.scheme),
        "getHost": lambda url: _shown(url.host),
        "getHostname": lambda url: _shown(hostname(url)),
        "getPort": lambda url: _shown(port(url)),
        "getEscapedPath": lambda url: _shown(escaped_path(url)),
    }
    return table(
        Function("url", [free([STRING], URL, notation(lambda text: parse(text, strict)))], cost=cost.traversal),
        Function("isURL", [free([STRING], BOOL, notation(is_url))]),
        *(Function(name, [method([URL], STRING, part)], cost=1) for name, part in parts.items()),
        Function("getQuery", [method([URL], map_of(STRING, list_of(STRING)), query)], cost=1),
    )


TABLE_1_31 = _table(strict=False)
TABLE_1_36 = _table(strict=True)  # built with a Go that refuses a second colon in a host
