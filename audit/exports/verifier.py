#!/usr/bin/env python3
"""Checks an evidence pack, offline: python verify.py PACK.zip [--key VKEY] [--manifest SHA256]

Needs Python 3.10 or later and the package cryptography, nothing else. Checked is that
  1. the pack holds exactly the files of MANIFEST.json, each with its SHA-256;
  2. each record has its hash, and all hashes lead to the root of the checkpoint;
  3. the checkpoint is signed by the key;
  4. every single proof leads to the same root;
  5. every line of the CSV, OCSF and audit.k8s.io files is that of its record;
  6. no record is missing in the counts of writers and tenants, or as many are as the manifest says.
The key in the pack proves nothing by itself: give the one that you have by another way with --key. Somebody who writes
the derived reports anew also has to write the manifest anew: compare its SHA-256 (--manifest) with one that was told to
you by another way, or make the pack again from the log, which gives the same bytes.

Exit codes: 0 it holds, 1 it doesn't, 2 it can't be read.
"""

import argparse
import base64
import binascii
import csv
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG_KEY, WITNESS_KEY = 1, 4
REPORTS = {
    "reports/records.csv": True,
    "reports/ocsf.ndjson": False,
    "reports/kube-audit.ndjson": False,
}  # whether of all records
LEAVES = "log/leaves.ndjson"
LINE_HEAD = re.compile(rb'\{"hash":"([0-9a-f]{64})","index":(0|[1-9][0-9]{0,18}),"leaf":')
LINE_TAIL = re.compile(rb',"log":"(?:[^"\\]|\\.)*","verified":(?:true|false)\}\Z')
LEADING = 4  # columns of the CSV file before the leaf's own
ESCAPE = re.compile(r"\\(?:\\|u\{([0-9a-f]{1,6})\})")

Key = tuple[str, bytes, int, bytes]  # name, id, kind, public key


class Wrong(Exception):
    """Something doesn't hold; the message says which file and what."""


def main(arguments: list[str] | None = None) -> int:
    """Run the checks and say what was found."""
    parser = argparse.ArgumentParser(description="Check an evidence pack, offline.")
    parser.add_argument("pack", help="the zip file")
    parser.add_argument("--key", action="append", default=[], help="verifier key of the log (name+id+key); repeatable")
    parser.add_argument("--manifest", help="SHA-256 of MANIFEST.json as it was told to you")
    given = parser.parse_args(arguments)
    try:
        with zipfile.ZipFile(given.pack) as pack:
            check_bytes(given.pack, pack)
            for line in checked(pack, given.key, given.manifest):
                say(line)
    except Wrong as wrong:
        say(f"FAILED: {wrong}")
        return 1
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        say(f"FAILED: a file has another form than it should: {error!r}")
        return 1
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        say(f"FAILED: the pack can't be read: {error}")
        return 2
    say("This pack holds.")
    return 0


def say(line: str) -> None:
    """A line for whoever runs this."""
    sys.stdout.write(f"{line}\n")


def checked(pack: zipfile.ZipFile, keys: list[str], manifest_hash: str | None) -> Iterator[str]:
    """Every check in turn, with a line for what was found. Raises Wrong."""
    manifest = read_manifest(pack, manifest_hash)
    yield f"files: {len(manifest['files'])} as the manifest says"
    if not manifest["verified"]:
        raise Wrong("MANIFEST.json: the pack was made from a log that did not verify: it is no evidence")
    leaves = read_leaves(pack, manifest)
    origin, size, root = read_checkpoint(pack, manifest)
    if len(leaves) != size and not any(manifest["selection"].values()):
        raise Wrong(f"MANIFEST.json: nothing was selected, and {size - len(leaves)} of {size} records are not here")
    hashes = read_hashes(pack)
    if covered_root(leaves, size, hashes) != root:
        raise Wrong("log/inclusion: records and hashes lead to another root than the checkpoint's")
    yield f"records: {len(leaves)} of {size} in the log {origin}, all under its root"
    for one in manifest.get("unreadable", []):
        why = json.dumps(one.get("why", "whose it is is unknown"))
        yield f"NOTE: nobody can read record {int(one['record'])} of the log: {why}"
    yield from check_signatures(pack, keys)
    yield f"single proofs: {check_proofs(pack, dict(leaves), size, root)}, all lead to the same root"
    yield from check_reports(pack)
    yield check_counts(pack, manifest, is_whole=len(leaves) == size)


def check_bytes(path: str, pack: zipfile.ZipFile) -> None:
    """Nothing lies before, between or after the files: other programs would show something else. Raises Wrong."""
    with open(path, "rb") as file:  # noqa: PTH123  # a file by itself, for any Python
        at, end = 0, file.seek(0, io.SEEK_END)
        for info in sorted(pack.infolist(), key=lambda one: one.header_offset):
            file.seek(info.header_offset)
            head = file.read(30)
            if info.header_offset - at > (24 if at else 0):  # a descriptor may follow on a file
                raise Wrong(f"{info.filename}: before it lie {info.header_offset - at} bytes that are of no file")
            names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            at = info.header_offset + 30 + names + info.compress_size
        file.seek(max(0, end - 22))
        if pack.comment or file.read(4) != b"PK\x05\x06" or not 0 <= pack.start_dir - at <= 24:
            raise Wrong("the pack: holds bytes at its end that are of no file")


def check_counts(pack: zipfile.ZipFile, manifest: dict[str, Any], *, is_whole: bool) -> str:
    """Each writer's and tenant's own count goes on by one, a tenant's record names the one before. Raises Wrong."""
    tenants: dict[str, dict[str, Any]] = {}
    writers: dict[str, int] = {}
    unread: set[str] = set()  # hashes of records that nobody can read: each stands for a number in some count
    gaps = spare = 0
    for _, said, leaf in split_lines(pack):
        if appended(leaf) is not leaf:
            unread.add(said)
            spare += 1
            continue
        fields = json.loads(leaf)
        written = fields["written"]
        left_out = written["seq"] - writers.get(written["by"], 0) - 1
        is_told = 0 <= left_out <= spare
        gaps, spare = gaps + (not is_told), spare - left_out * is_told
        writers[written["by"]] = written["seq"]
        tag = fields.get("tags", {}).get("tenant")
        if tag and "tenant" in written:
            count_tenant(tenants.setdefault(tag, {}), written["tenant"], said, unread)
    found = {tag: {name: chain[name] for name in ("first", "gaps", "last")} for tag, chain in sorted(tenants.items())}
    missing = sum(chain["gaps"] for chain in found.values())
    if manifest.get("tenants", found) != found:
        raise Wrong("MANIFEST.json: says something else of the tenants' counts than the records do")
    if is_whole and (gaps or missing or any(chain["first"] != 1 for chain in tenants.values() if not chain["told"])):
        raise Wrong(f"{LEAVES}: the counts of writers and tenants have gaps")
    whole = f"{missing} gaps, which the selection leaves or where records are missing" if missing else "none missing"
    return f"tenants: {len(found)}, in their own counts from the first to the last record: {whole}"


def count_tenant(chain: dict[str, Any], link: dict[str, Any], digest: str, unread: set[str]) -> None:
    """Take in a tenant's next record, which may follow on one that nobody can read."""
    is_told = link.get("prev") in unread
    if not chain:
        chain.update(first=link["seq"], gaps=0, told=is_told)
    elif link["seq"] <= chain["last"] or not (
        is_told or (link["seq"] == chain["last"] + 1 and link.get("prev") == chain["hash"])
    ):
        chain["gaps"] += 1
    chain.update(last=link["seq"], hash=digest)


def read_manifest(pack: zipfile.ZipFile, expected: str | None) -> dict[str, Any]:
    """The list of files, once every one of them fits it."""
    data = member(pack, "MANIFEST.json")
    digest = hashlib.sha256(data).hexdigest()
    if member(pack, "MANIFEST.sha256") != f"{digest}  MANIFEST.json\n".encode():
        raise Wrong("MANIFEST.json: its SHA-256 is not the one in MANIFEST.sha256")
    if expected is not None and digest != expected.strip().lower():
        raise Wrong(f"MANIFEST.json: its SHA-256 is {digest}, you were told {expected}")
    manifest = parsed("MANIFEST.json", data)
    if not isinstance(manifest, dict) or manifest.get("format") != "bailiwick.evidence/v1":
        raise Wrong("MANIFEST.json: is no manifest of an evidence pack")
    names = pack.namelist()
    listed = {**manifest["files"], "MANIFEST.json": "", "MANIFEST.sha256": ""}
    for name in names:
        if name not in listed or names.count(name) > 1:
            raise Wrong(f"{name}: is not in the manifest, or is there twice")
    for name, known in manifest["files"].items():
        if name not in names:
            raise Wrong(f"{name}: is missing")
        found = file_hash(pack, name)
        if found != (known["sha256"], known["size"]):
            raise Wrong(f"{name}: SHA-256 is {found[0]}, the manifest says {known['sha256']}")
    return cast("dict[str, Any]", manifest)


def read_leaves(pack: zipfile.ZipFile, manifest: dict[str, Any]) -> list[tuple[int, bytes]]:
    """Number and computed hash of each record."""
    leaves: list[tuple[int, bytes]] = []
    unread = {one["record"] for one in manifest.get("unreadable", [])}
    before = -1
    for index, said, leaf in split_lines(pack):
        bytes_of_it = appended(leaf)
        if (bytes_of_it is not leaf) != (index in unread):
            raise Wrong(f"{LEAVES}: record {index} is there in another form than MANIFEST.json says")
        digest = hashlib.sha256(b"\x00" + bytes_of_it).digest()
        if digest.hex() != said:
            raise Wrong(f"{LEAVES}: record {index} does not match its hash")
        if index <= before:
            raise Wrong(f"{LEAVES}: record {index} is out of order")
        before = index
        leaves.append((index, digest))
    if len(leaves) != manifest["records"]:
        raise Wrong(f"{LEAVES}: holds {len(leaves)} records, the manifest says {manifest['records']}")
    return leaves


def appended(leaf: bytes) -> bytes:
    """The bytes that were appended to the log: of what nobody can read, those that its stand-in carries."""
    return decoded(LEAVES, parsed(LEAVES, leaf)["bytes"]) if leaf.startswith(b'{"bytes":"') else leaf


def split_lines(pack: zipfile.ZipFile) -> Iterator[tuple[int, str, bytes]]:
    """Number, hash and leaf of each line, by their places: a line of another form could say two things."""
    for line in lines(pack, LEAVES):
        head, tail = LINE_HEAD.match(line), LINE_TAIL.search(line)
        if head is None or tail is None or tail.start() < head.end():
            raise Wrong(f"{LEAVES}: a line has another form than it should: {line[:80]!r}")
        yield int(head[2]), head[1].decode(), line[head.end() : tail.start()]


def read_checkpoint(pack: zipfile.ZipFile, manifest: dict[str, Any]) -> tuple[str, int, bytes]:
    """Origin, size and root, unverified."""
    rows = member(pack, "log/checkpoint").decode().split("\n")
    try:
        origin, size, root = rows[0], int(rows[1]), base64.b64decode(rows[2], validate=True)
    except (IndexError, ValueError) as error:
        raise Wrong("log/checkpoint: is no checkpoint") from error
    said = manifest["checkpoint"]
    if (said["origin"], said["size"], said["root"]) != (origin, size, root.hex()):
        raise Wrong("MANIFEST.json: names another checkpoint than log/checkpoint")
    return origin, size, root


def read_hashes(pack: zipfile.ZipFile) -> list[bytes]:
    """The hashes beside the records, from left to right."""
    rows = list(lines(pack, "log/inclusion"))
    if not rows or rows[0] != b"bailiwick.inclusion/v1":
        raise Wrong("log/inclusion: does not begin as it should")
    return [decoded("log/inclusion", row.decode()) for row in rows[1:]]


def covered_root(leaves: list[tuple[int, bytes]], size: int, beside: list[bytes]) -> bytes:
    """The root to which records and the hashes beside them lead: RFC 6962, each subtree as it is split."""
    at, used = 0, 0

    def root(low: int, high: int) -> bytes:
        nonlocal at, used
        width = high - low
        if (at == len(leaves) or leaves[at][0] >= high) and width & (width - 1) == 0:
            used += 1
            if used > len(beside) or len(beside[used - 1]) != 32:
                raise Wrong("log/inclusion: lacks a hash")
            return beside[used - 1]
        if width == 1:
            at += 1
            return leaves[at - 1][1]
        middle = low + (1 << (width - 1).bit_length() - 1)
        return hashlib.sha256(b"\x01" + root(low, middle) + root(middle, high)).digest()

    found = root(0, size) if size else hashlib.sha256(b"").digest()
    if at != len(leaves) or used != len(beside):
        raise Wrong("log/inclusion: has more hashes or records than the tree")
    return found


def check_signatures(pack: zipfile.ZipFile, given: list[str]) -> Iterator[str]:
    """The note's signatures by the keys given, or by those of the pack."""
    keys = [parsed_key(key) for key in given or member(pack, "log/keys.txt").decode().split()]
    text, _, signatures = member(pack, "log/checkpoint").decode().rpartition("\n\n")
    signed = []
    for line in signatures.split("\n"):
        if not line:
            continue
        _, name, encoded = [*line.split(" "), "", ""][:3]
        material = decoded("log/checkpoint", encoded)
        for key in keys:
            if (name, material[:4]) == key[:2]:
                verify(key, f"{text}\n".encode(), material[4:])
                signed.append(key)
    logs = [key for key in signed if key[2] == LOG_KEY]
    if not logs:
        raise Wrong("log/checkpoint: is signed by none of the keys")
    yield f"checkpoint: signed by {', '.join(f'{key[0]} ({key[1].hex()})' for key in signed)}"
    if not given:
        yield "NOTE: that key came with the pack: compare it with the one that you have, or give yours with --key"


def verify(key: Key, text: bytes, signature: bytes) -> None:
    """An Ed25519 signature of a log, or a witness' cosignature/v1."""
    message = text
    if key[2] == WITNESS_KEY:
        message = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + text
        signature = signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(key[3]).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Wrong(f"log/checkpoint: the signature by {key[0]} is not valid") from error


def parsed_key(text: str) -> Key:
    """A verifier key: name+id+base64(kind and public key)."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    material = decoded("the verifier key", encoded)
    expected = hashlib.sha256(f"{name}\n".encode() + material).digest()[:4]
    if len(material) != 33 or material[0] not in (LOG_KEY, WITNESS_KEY) or expected.hex() != key_id:
        raise Wrong(f"the verifier key `{text[:80]}` is no Ed25519 key, or its id is not that of the key")
    return name, expected, material[0], material[1:]


def check_proofs(pack: zipfile.ZipFile, leaves: dict[int, bytes], size: int, root: bytes) -> int:
    """Every C2SP tlog-proof file."""
    names = [name for name in pack.namelist() if name.startswith("proofs/")]
    checkpoint = member(pack, "log/checkpoint")
    for name in names:
        head, _, note = member(pack, name).partition(b"\n\n")
        rows = head.decode().split("\n")
        if rows[0] != "c2sp.org/tlog-proof@v1" or note != checkpoint or not rows[1].startswith("index "):
            raise Wrong(f"{name}: is no proof under this checkpoint")
        index = int(rows[1][6:])
        if index not in leaves:
            raise Wrong(f"{name}: is of a record that is not in the pack")
        if climbed(name, index, size, leaves[index], [decoded(name, row) for row in rows[2:]]) != root:
            raise Wrong(f"{name}: leads to another root than the checkpoint's")
    return len(names)


def climbed(name: str, index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root to which an inclusion proof of RFC 6962 leads."""
    last, at = size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Wrong(f"{name}: is longer than the tree is high")
        if index & 1 or index == last:
            at = hashlib.sha256(b"\x01" + sibling + at).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            at = hashlib.sha256(b"\x01" + at + sibling).digest()
        index, last = index >> 1, last >> 1
    if last:
        raise Wrong(f"{name}: is shorter than the tree is high")
    return at


def check_reports(pack: zipfile.ZipFile) -> Iterator[str]:
    """The files for other tools, line by line against the records, in one pass."""
    names = set(pack.namelist())
    reports = [Report(pack, name, of_all) for name, of_all in REPORTS.items() if name in names]
    for index, digest, leaf in split_lines(pack):
        record = {"index": index, "hash": digest, "leaf": parsed(LEAVES, leaf)}
        for report in reports:
            if report.of_all or record["leaf"]["schema"].startswith("bailiwick.decision/"):
                report.check(record)
    for report in reports:
        report.finish()
        yield f"{report.name}: {report.count} lines are those of the records"


class Report:
    """One of those files as it is read beside the records."""

    def __init__(self, pack: zipfile.ZipFile, name: str, of_all: bool) -> None:
        self.name, self.of_all, self.count = name, of_all, 0
        self.columns: list[list[str]] = []
        if name.endswith(".csv"):
            csv.field_size_limit(1 << 20)
            self.rows: Iterator[Any] = csv.reader(io.TextIOWrapper(opened(pack, name), "utf-8", newline=""))
            self.columns = [column.split(".") for column in next(self.rows, [])[LEADING:]]
        else:
            self.rows = lines(pack, name)

    def check(self, record: dict[str, Any]) -> None:
        """The next line must be this record's."""
        row = next(self.rows, None)
        if row is None:
            raise Wrong(f"{self.name}: has fewer lines than there are records")
        self.count += 1
        if self.columns:
            self.check_cells(row, record)
        elif place_of(parsed(self.name, row)) != place_of_record(record):
            raise Wrong(f"{self.name}: line {self.count} is not that of record {record['index']}")

    def check_cells(self, cells: list[str], record: dict[str, Any]) -> None:
        """Every cell against the leaf."""
        where = f"{self.name}: line {self.count + 1} (record {record['index']})"
        if cells[1:3] != [str(record["index"]), record["hash"]] or len(cells) != len(self.columns) + LEADING:
            raise Wrong(f"{where}: is not that record's")
        if leaf_of_cells(self.columns, cells[LEADING:], record["leaf"]) != record["leaf"]:
            raise Wrong(f"{where}: says something else than the record")

    def finish(self) -> None:
        """No line may be left."""
        if next(self.rows, None) is not None:
            raise Wrong(f"{self.name}: has more lines than there are records")


def place_of_record(record: dict[str, Any]) -> tuple[int, str, str, str]:
    """What must stand in each line that was made of it."""
    return record["index"], record["hash"], record["leaf"]["verdict"], record["leaf"]["id"]


def place_of(event: Any) -> tuple[int, str, str, str]:
    """The same of an OCSF event or one of audit.k8s.io."""
    if "class_uid" in event:
        tlog = event["unmapped"]["tlog"]
        return tlog["index"], tlog["leaf"], event["status_code"], event["metadata"]["uid"]
    said = {name.partition("/")[2]: value for name, value in event["annotations"].items()}
    return int(said["leaf-index"]), said["leaf-hash"], said["verdict"], event["auditID"]


def leaf_of_cells(columns: list[list[str]], cells: list[str], leaf: dict[str, Any]) -> dict[str, Any]:
    """The leaf that a line's cells make; of each cell, `leaf` gives the type that is expected."""
    made: dict[str, Any] = {}
    for path, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        text = cell[1:] if cell[0] == "'" else cell
        if "\\" in text:
            text = ESCAPE.sub(unescaped, text)
        if path == ["further"]:
            merge(made, json.loads(text))
            continue
        expected, target = leaf, made
        for part in path[:-1]:
            expected = expected.get(part, {})
            target = target.setdefault(part, {})
        known = expected.get(path[-1])  # a text stands as it is, all else as JSON
        target[path[-1]] = (
            text if isinstance(known, str | None) and (text == known or text[0] != '"') else json.loads(text)
        )
    return made


def merge(made: dict[str, Any], rest: dict[str, Any]) -> None:
    """Put further fields where they belong."""
    for name, value in rest.items():
        if name in made and isinstance(value, dict):
            merge(made[name], value)
        else:
            made[name] = value


def unescaped(match: "re.Match[str]") -> str:
    """A character of a cell that stands as an escape."""
    return "\\" if match[1] is None else chr(int(match[1], 16))


def lines(pack: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Lines end with a line feed and with nothing else."""
    for line in opened(pack, name):
        yield line[:-1] if line.endswith(b"\n") else line


def opened(pack: zipfile.ZipFile, name: str) -> io.BufferedReader:
    """A member to read in small pieces: unpacked a megabyte at a time."""
    return io.BufferedReader(cast("io.RawIOBase", pack.open(name)), 1 << 20)


def file_hash(pack: zipfile.ZipFile, name: str) -> tuple[str, int]:
    """SHA-256 and size of a member."""
    digest, size = hashlib.sha256(), 0
    try:
        with pack.open(name) as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                digest.update(part)
                size += len(part)
    except (zipfile.BadZipFile, EOFError, ValueError, binascii.Error) as error:
        raise Wrong(f"{name}: is damaged: {error}") from error
    except Exception as error:  # zlib's own error, which has no name here without importing it
        raise Wrong(f"{name}: can't be unpacked: {error}") from error
    return digest.hexdigest(), size


def member(pack: zipfile.ZipFile, name: str) -> bytes:
    """A small member's bytes."""
    try:
        return pack.read(name)
    except KeyError:
        raise Wrong(f"{name}: is missing") from None
    except Exception as error:
        raise Wrong(f"{name}: can't be unpacked: {error}") from error


def parsed(name: str, data: bytes) -> Any:
    """JSON."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise Wrong(f"{name}: is no JSON") from error


def decoded(name: str, text: str) -> bytes:
    """Base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong(f"{name}: holds something that is no base64") from error


if __name__ == "__main__":
    sys.exit(main())
