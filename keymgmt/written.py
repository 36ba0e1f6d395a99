"""The public side of a key as it is written: one reader and one writer for keyrings, their public parts, memories.

Guarantees that what is read back is what was written, in its one spelling, and that a key id that stands beside a key
is the key's own. Whether the file around it is authentic is for whoever reads the file.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from keymgmt.canonical import from_base64url, moment, stamp, to_base64url
from keymgmt.keys import PURPOSE_NAME, REGION_NAME, Algorithm, KeyFacts
from keymgmt.states import State


def _encoded(text: str) -> str:
    from_base64url(text)
    return text


def _stamped(text: str) -> str:
    moment(text)
    return text


Encoded = Annotated[str, AfterValidator(_encoded)]
Stamp = Annotated[str, AfterValidator(_stamped)]
Region = Annotated[str, Field(pattern=f"^(?:{REGION_NAME.pattern})$")]
Purpose = Annotated[str, Field(pattern=f"^(?:{PURPOSE_NAME.pattern})$")]


class Strict(BaseModel):
    """No field that is not known."""

    # inputs stay out of messages: a file under a wrong name may hold anybody's secrets
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VersionDoc(Strict):
    """One version of a key, where the key itself is written above it."""

    version: Annotated[int, Field(ge=1, strict=True)]
    state: State
    created: Stamp
    public: Encoded

    def of(self, lineage: str, region: str, purpose: str, algorithm: str) -> KeyFacts:
        """The version as a keyring shows it."""
        return KeyFacts(
            lineage=from_base64url(lineage),
            region=region,
            purpose=purpose,
            algorithm=algorithm,
            version=self.version,
            created=moment(self.created),
            state=self.state,
            public=from_base64url(self.public),
        )


class KeyDoc(VersionDoc):
    """One version of a key, with what the key is for."""

    purpose: Purpose
    algorithm: Algorithm

    def facts(self, lineage: str, region: str) -> KeyFacts:
        """The version as a keyring shows it."""
        return self.of(lineage, region, self.purpose, self.algorithm)


class NamedKeyDoc(KeyDoc):
    """The same with its id beside it."""

    key_id: str


class ForeignId(ValueError):
    """A key id stands beside a key that has another one."""


def read_keys(keys: Iterable[NamedKeyDoc], lineage: str, region: str) -> tuple[KeyFacts, ...]:
    """All of them, in their order. Raises ForeignId."""
    found = []
    for written in keys:
        key = written.facts(lineage, region)
        if key.key_id != written.key_id:
            raise ForeignId(f"key id of {key.purpose} version {key.version} does not fit the key")
        found.append(key)
    return tuple(found)


def version_fields(key: KeyFacts) -> dict[str, object]:
    """The fields of `VersionDoc`."""
    return {
        "version": key.version,
        "state": key.state.value,
        "created": stamp(key.created),
        "public": to_base64url(key.public),
    }


def key_fields(key: KeyFacts) -> dict[str, object]:
    """The fields of `KeyDoc`."""
    return {"purpose": key.purpose, "algorithm": str(key.algorithm), **version_fields(key)}


def named_key_fields(key: KeyFacts) -> dict[str, object]:
    """The fields of `NamedKeyDoc`."""
    return {"key_id": key.key_id, **key_fields(key)}


def fault(error: ValidationError, whole: str = "document") -> str:
    """The first thing that is wrong, by its place and without the value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    said = first["msg"].removeprefix("Value error, ")
    return f"`{where}`: {said[:1].lower()}{said[1:]}"
