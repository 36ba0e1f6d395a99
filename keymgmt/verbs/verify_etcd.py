"""`bailiwick keys verify-etcd`: under whose key each object lies, without any key."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.ring import Mistake
from keymgmt.verbs.written import written

if TYPE_CHECKING:
    from keymgmt.etcd import Coverage, Survey
    from keymgmt.etcd.snapshot import Entry

SHOWN = 50  # problems in the table; json and yaml have all
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("verify-etcd")
@click.argument("snapshot", required=False, type=_FILE)
@click.option("--endpoints", metavar="URL", help="A live etcd instead of a file, for example https://127.0.0.1:2379.")
@click.option("--cacert", type=_FILE, help="etcd's authority (PEM).")
@click.option("--cert", type=_FILE, help="A client certificate (PEM).")
@click.option("--key", type=_FILE, help="Its private key (PEM).")
@click.option("--config", type=_FILE, help="kube-apiserver's EncryptionConfiguration: what must be encrypted, and how.")
@click.option(
    "--resource", "resources", multiple=True, help="What must be encrypted, where no --config says it; repeatable."
)
@click.option("--region", "regions", multiple=True, help="Where keys may lie; repeatable.")
@click.option("--key-id", "key_ids", multiple=True, help="Key ids in use; the one of the newest object by default.")
@click.option("--prefix", default="/registry", show_default=True, help="kube-apiserver's --etcd-prefix.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def verify_etcd(
    snapshot: Path | None,
    endpoints: str | None,
    cacert: Path | None,
    cert: Path | None,
    key: Path | None,
    config: Path | None,
    resources: Sequence[str],
    regions: Sequence[str],
    key_ids: Sequence[str],
    prefix: str,
    output: str,
) -> None:
    """Say under which provider, key and region every object in etcd lies. Needs no key.

    SNAPSHOT is a file of `etcdctl snapshot save`, or the database of a stopped member; it also shows what old revisions
    still hold. Secrets must be encrypted unless --config or --resource says otherwise.

    Exits with 1 when something that must be encrypted is not, lies under a key of another region, or under an old key.

    \b
    bailiwick keys verify-etcd snapshot.db --config encryption.yaml \\
        --region eu-de
    bailiwick keys verify-etcd --endpoints https://etcd:2379 --cacert ca.crt \\
        --cert client.crt --key client.key
    """
    from keymgmt.etcd import EtcdError, Expected, survey
    from keymgmt.etcd.live import Credentials

    if (snapshot is None) == (endpoints is None):
        raise click.UsageError("name either a snapshot or --endpoints")
    try:
        expected = Expected(_coverage(config, resources), frozenset(regions), frozenset(key_ids))
        credentials = Credentials(cacert, cert, key)
        entries = _entries(snapshot, endpoints, credentials, prefix.rstrip("/"))
        found = survey(_counted(entries), expected, prefix.rstrip("/"))
    except EtcdError as error:
        raise Mistake(str(error), error.hint) from error
    click.echo(_rendered(found, output), nl=False)
    sys.exit(int(bool(found.problems)))


def _coverage(config: Path | None, resources: Sequence[str]) -> "Coverage":
    import yaml

    from keymgmt.etcd import ConfigurationInvalid, Coverage

    if config is None:
        return Coverage.of(resources or ("secrets",))
    if resources:
        raise click.UsageError("--config says what must be encrypted: leave --resource out")
    try:
        return Coverage.parse(yaml.safe_load(config.read_bytes()))
    except yaml.YAMLError as error:
        where = (
            f"line {error.problem_mark.line + 1}"
            if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark
            else "it"
        )
        raise ConfigurationInvalid(f"`{config}`: {where} is no YAML") from error


def _entries(path: Path | None, endpoint: str | None, credentials: Any, prefix: str) -> "Iterator[Entry]":
    from keymgmt.etcd import live, snapshot

    if path is not None:
        return snapshot.entries(path)
    assert endpoint is not None
    return live.entries(endpoint, credentials, prefix)


def _counted(entries: "Iterator[Entry]") -> "Iterator[Entry]":
    """The same, with progress on standard error for people, where there is enough to wait for."""
    if not sys.stderr.isatty():
        yield from entries
        return
    first = list(islice(entries, 20_000))
    yield from first
    if len(first) < 20_000:
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    with Progress(TextColumn("{task.completed:,} revisions"), console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(entries, total=None, task_id=bar.add_task("", completed=len(first), total=None))


def _rendered(found: "Survey", output: str) -> str:
    report = {
        "objects": found.objects,
        "revisions": found.revisions,
        "current": dict(sorted(found.current.items())),
        "groups": [{**asdict(group), "objects": count} for group, count in sorted(found.groups.items())],
        "problems": [asdict(problem) for problem in found.problems],
    }
    if output != "table":
        return written(report, output)
    return "\n".join(_lines(found)) + "\n"


def _lines(found: "Survey") -> Iterator[str]:
    rows = [("RESOURCE", "NAMESPACE", "STATE", "PROVIDER", "KEY", "REGION", "OBJECTS")]
    rows += [
        (group.resource, group.namespace, group.state, group.provider, group.key, group.region, str(count))
        for group, count in sorted(found.groups.items())
        if group.state != "plain"
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    yield from ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    plain = sum(count for group, count in found.groups.items() if group.state == "plain")
    yield f"{found.objects} objects in {found.revisions} revisions, {plain} of them in plain"
    for problem in found.problems[:SHOWN]:
        yield f"{problem.code}: {problem.where} {problem.detail}"
    if len(found.problems) > SHOWN:
        yield f"... and {len(found.problems) - SHOWN} more: see -o json"
    yield (
        f"{len(found.problems)} problems"
        if found.problems
        else "everything that must be encrypted is, under the keys in use"
    )
