"""The definitions in the chart are what the models say, and say it in full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships none
import pytest
import re2
import yaml

from policies.geography import Regions
from policies.kinds import KINDS
from policies.kinds.crds import crds, main, text
from policies.kinds.part import Part
from policies.kinds.schema import NotStructural, structural
from policies.kinds.words import Country, Items, described
from tests.policies.kinds.vectors import Case, cases

FOLDER = Path(__file__).parents[3] / "charts" / "bailiwick" / "crds"
Schema = dict[str, Any]


@cache
def schema_of(kind: str) -> Schema:
    """The schema that the API server validates objects of a kind with."""
    definition = crds()[f"{KINDS[kind].registration.plural}.yaml"]
    found: Schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def everywhere(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside a schema, and where it stands."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from everywhere(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from everywhere(schema[key], f"{path}[]")


def test_checked_in() -> None:
    """The files in the chart are the ones that the models give: run `python -m policies.kinds.crds --write` again."""
    checked_in = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert checked_in == {name: text(crd) for name, crd in crds().items()}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes all files and finds them as they should be; without a folder it prints them as one stream."""
    assert main(["--write", str(tmp_path / "new")]) == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(crds())
    assert main(["--check", str(tmp_path / "new")]) == 0
    assert main([]) == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == list(crds().values())


def test_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was changed, is missing or is too many is named, with what to do."""
    main(["--write", str(tmp_path)])
    (tmp_path / "waivers.yaml").write_text("changed")
    (tmp_path / "dataclasses.yaml").unlink()
    (tmp_path / "extra.yaml").write_text("")
    assert main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert [name for name in ("dataclasses", "extra", "jurisdictions", "waivers") if name in told] == [
        "dataclasses",
        "extra",
        "waivers",
    ]
    assert "hint: python -m policies.kinds.crds --write" in told


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_described(kind: str) -> None:
    """`kubectl explain` has a sentence for every field."""
    fields = [(path, schema) for path, schema in everywhere(schema_of(kind)) if not path.endswith("[]")]
    silent = [path for path, schema in fields if not schema.get("description")]
    assert silent == [".metadata"]  # the API server has words of its own for it


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_bounded(kind: str) -> None:
    """Every list and every text has a bound, so that rules have one on their cost; every list says how it merges."""
    for path, schema in everywhere(schema_of(kind)):
        if schema["type"] == "array":
            assert "maxItems" in schema, path
            assert "x-kubernetes-list-type" in schema, path
        if schema["type"] == "string" and path not in (".apiVersion", ".kind"):
            assert "maxLength" in schema or "enum" in schema, path


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_patterns(kind: str) -> None:
    """Patterns mean the same to Go and to Rust: RE2 reads them, and no class in them depends on Unicode."""
    for path, schema in everywhere(schema_of(kind)):
        pattern = schema.get("pattern", "")
        re2.compile(pattern)
        assert pattern.isascii(), path
        assert not re.search(r"\\[sSdDwWbB]", pattern), path


@pytest.mark.parametrize("case", cases(), ids=str)
def test_second_opinion(case: Case) -> None:
    """Another validator finds nothing in a good object; what it finds in others, we find too."""
    validator = jsonschema.Draft4Validator(schema_of(case.value["kind"]))
    wrong = list(validator.iter_errors(_without_nulls(case.value)))
    assert not (case.good and wrong), wrong


def test_countries_of_the_region_data() -> None:
    """Every country in the region data is a country here."""
    known = re.compile(Country.__metadata__[0].pattern)  # type: ignore[attr-defined]
    found = {place.country for place in Regions.builtin().places.values()}
    assert len(found) > 30
    assert [country for country in found if not known.match(country)] == []


class TwoTypes(Part):
    """A part that no structural schema can say."""

    value: int | str = described("One or the other.")


class Tuple(Part):
    """A part that no structural schema can say."""

    pair: tuple[int, str] = described("Two things.")
    items: Items[str] = ()


@pytest.mark.parametrize("model", [TwoTypes, Tuple])
def test_not_structural(model: type[Part]) -> None:
    """A model that a structural schema can't say is refused when the definition is made, not by the API server."""
    with pytest.raises(NotStructural):
        structural(model)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
