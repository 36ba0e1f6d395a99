"""What only Kyverno has: libraries that ask clusters, registries and servers, or that the API server's CEL lacks.

A policy that uses one is refused by the library's name; nothing is emulated.
"""

from collections.abc import Iterator, Mapping

from policies.cel.ast import Call, Comprehension, Ident, Node, ObjectNode, children

_NAMESPACES: Mapping[str, str] = {
    "resource": "reads from the cluster",
    "http": "calls servers",
    "globalContext": "reads cached resources and calls",
    "image": "reads image metadata",
    "imagedata": "reads image metadata",
    "images": "reads image metadata",
    "attestors": "verifies images",
    "attestations": "verifies images",
    "generator": "makes objects",
    "exceptions": "reads PolicyExceptions",
    "hash": "hashes",
    "user": "parses user names",
    "json": "parses JSON",
    "yaml": "parses YAML",
    "random": "makes random text",
    "x509": "parses certificates",
    "time": "reads the clock",
    "transform": "reshapes lists",
    "gzip": "compresses",
    "math": "calculates",
    "base64": "encodes",
    "proto": "knows protocol buffers",
    "cel": "binds names inside an expression",
}
_FUNCTIONS: Mapping[str, str] = {
    "image": "parses image references",
    "isImage": "parses image references",
    "parseImageReference": "parses image references",
    "parseServiceAccount": "parses user names",
    "listObjToMap": "reshapes lists",
    "sha1": "hashes",
    "sha256": "hashes",
    "md5": "hashes",
    "random": "makes random text",
    "regex.replace": "replaces by pattern",
    "regex.extract": "extracts by pattern",
    "regex.extractAll": "extracts by pattern",
}


def foreign(tree: Node) -> list[tuple[str, str]]:
    """The names in an expression that only Kyverno knows, each with what they do, in the order of the text."""
    return list(dict.fromkeys(_foreign(tree, frozenset())))


def _foreign(node: Node, bound: frozenset[str]) -> Iterator[tuple[str, str]]:
    inner = bound
    match node:
        case Call(function, _, target):
            name = f"{target.name}.{function}" if isinstance(target, Ident) else function
            if isinstance(target, Ident) and target.name in _NAMESPACES and target.name not in bound:
                yield name, _NAMESPACES[target.name]
                yield from (found for argument in node.args for found in _foreign(argument, bound))
                return
            if (target is None or isinstance(target, Ident)) and name in _FUNCTIONS:
                yield name, _FUNCTIONS[name]
        case Ident(name) if name in _NAMESPACES and name not in bound:
            yield name, _NAMESPACES[name]
        case ObjectNode(name) if name.split(".", 1)[0] in _NAMESPACES:
            yield name, _NAMESPACES[name.split(".", 1)[0]]
        case Comprehension():
            inner = bound | frozenset(node.variables)
    for child in children(node):
        yield from _foreign(child, inner)
