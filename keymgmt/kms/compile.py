"""From `api.proto` to `api_pb2.py` and its types: made by protoc, marked as made, checked for being current.

`python -m keymgmt.kms.compile --write` makes the files that ship; without it, or with `--check`, it fails when they
are not what the .proto gives. Needs grpcio-tools, which only developers have.
"""

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

PROTO = Path(__file__).with_name("api.proto")
# the formatter leaves alone what no person wrote, and the linter overlooks what protoc does otherwise than we
MADE = {
    "api_pb2.py": "# ruff: noqa: E501, ERA001, I001\n# fmt: off\n",
    "api_pb2.pyi": "# ruff: noqa: E501, I001, RUF023, UP045\n# fmt: off\n",
}


class MessagesStale(Exception):
    """The generated files are not what `api.proto` gives."""


def generated() -> dict[str, str]:
    """File name to content, as protoc writes it now. Raises MessagesStale when protoc refuses the .proto."""
    from grpc_tools import protoc  # type: ignore[import-untyped]

    root = PROTO.parents[2]
    builtin = files("grpc_tools").joinpath("_proto")
    with tempfile.TemporaryDirectory() as scratch:
        places = [f"--proto_path={root}", f"--proto_path={builtin}", f"--python_out={scratch}", f"--pyi_out={scratch}"]
        if protoc.main(["protoc", *places, str(PROTO.relative_to(root))]) != 0:
            raise MessagesStale(f"protoc refuses `{PROTO.name}`")
        folder = Path(scratch, *PROTO.relative_to(root).parent.parts)
        return {name: marks + (folder / name).read_text() for name, marks in MADE.items()}


def check(folder: Path = PROTO.parent) -> None:
    """Raise MessagesStale when a file is missing or another."""
    for name, wanted in generated().items():
        path = folder / name
        if not path.is_file() or path.read_text() != wanted:
            raise MessagesStale(f"`{name}` is not what `{PROTO.name}` gives; run python -m keymgmt.kms.compile --write")


def write(folder: Path = PROTO.parent) -> None:
    """Make the files anew."""
    for name, content in generated().items():
        (folder / name).write_text(content)


def main(arguments: list[str]) -> int:
    """0 when all is current or written."""
    if "--write" in arguments:
        write()
        return 0
    try:
        check()
    except MessagesStale as stale:
        sys.stderr.write(f"error: {stale}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
