"""Which kinds there are, by the resources that policies name, and what is known of their fields.

Kinds of Kubernetes itself come from the table that lies with `policies.native`; others from
CustomResourceDefinitions, and from OpenAPI v3 documents as a server publishes them under `/openapi/v3`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.cel.types import CelType
from policies.json import JsonObject
from policies.native.compile import compiled
from policies.native.shapes import built_in_table, definition_table
from policies.request import GroupKind
from policies.typecheck.declared import Declared

_PARTS = ("kinds", "resources", "shapes")
_MALFORMED = (KeyError, TypeError, AttributeError, AssertionError, ValueError)


class SchemasMalformed(ValueError):
    """Documents that call themselves OpenAPI v3 don't describe kinds as an API server does."""

    hint = "give what `kubectl get --raw /openapi/v3/apis/<group>/<version>` prints"

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"the OpenAPI documents can't be understood: {type(cause).__name__}: {cause}")


@dataclass(frozen=True)
class Schemas:
    """Kinds and their types; what `tables` say outweighs what is built in, later ones earlier ones."""

    tables: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, definitions: Iterable[JsonObject], documents: Iterable[JsonObject] = ()) -> Schemas:
        """The built-in kinds, those of these CustomResourceDefinitions, and those of these OpenAPI v3 documents.

        A definition that no API server would take adds nothing. Raises SchemasMalformed for documents that aren't
        what a server publishes.
        """
        tables = [table for one in definitions if (table := _defined(one))]
        try:
            read = compiled(documents)
        except _MALFORMED as error:
            raise SchemasMalformed(error) from error
        return cls((*tables, read) if read["kinds"] else tuple(tables))

    def kinds_of(self, group: str, version: str, resource: str) -> list[GroupKind]:
        """The kinds behind a resource, sorted.

        As the API server looks them up: singular names do, letter case doesn't matter, and the core group stands for
        any group that has this version of the resource.
        """
        wanted = resource.lower()
        found = set()
        for key, kind in self._whole["resources"].items():
            its_group, its_version, plural = key.split("/")
            fits = wanted in (plural, kind.lower()) and its_version == version
            if fits and (not group or its_group == group):
                found.add(GroupKind(its_group, its_version, kind))
        return sorted(found, key=lambda one: (one.group, one.version, one.kind))

    def type_of(self, kind: GroupKind, gaps: CelType | None, name: str = "") -> CelType | None:
        """The type of a kind's objects, None where nothing is known of it. `gaps` is explained in `declared`."""
        shape = self._whole["kinds"].get(f"{kind.group}/{kind.version}/{kind.kind}")
        return Declared(self._whole["shapes"], gaps).root(shape, name or kind.kind) if shape else None

    @cached_property
    def _whole(self) -> Mapping[str, Mapping[str, Any]]:
        parts = (built_in_table(), *self.tables)
        if len(parts) == 1:
            return parts[0]
        return {part: {key: value for table in parts for key, value in table[part].items()} for part in _PARTS}


def _defined(definition: JsonObject) -> Mapping[str, Any]:
    try:
        return definition_table(definition)
    except _MALFORMED:
        return {}
