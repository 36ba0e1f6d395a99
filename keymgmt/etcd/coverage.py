"""Which resources have to be encrypted: what an EncryptionConfiguration says, or a list of names.

As kube-apiserver 1.26 and later read it: the first entry that names a resource counts; `*.*` is everything, `*.group` a
group, `*.` the core group; a resource whose first provider is `identity` is written in plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keymgmt.etcd.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: which resources it names, and what they are written with. Empty texts leave that open."""

    patterns: tuple[str, ...]
    encrypts: bool
    provider: str = ""  # as `survey` names it, for example `kms:v2:NAME` or `aescbc:v1`
    key: str = ""  # of a local provider: the first of its keys

    def covers(self, resource: str) -> bool:
        """Whether the entry is about this resource, `plural` or `plural.group`."""
        group = resource.partition(".")[2]
        return any(pattern in (resource, f"*.{group}", "*.*") for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What must be sealed."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, resources: Sequence[str]) -> "Coverage":
        """Of resources as kubectl names them, `*.*` for all."""
        return cls((Rule(tuple(resources), True),))

    @classmethod
    def parse(cls, configuration: Any) -> "Coverage":
        """Of an EncryptionConfiguration, v1. Raises ConfigurationInvalid."""
        try:
            if configuration["kind"] != "EncryptionConfiguration":
                raise ConfigurationInvalid(f"its kind is `{configuration['kind']}`, not `EncryptionConfiguration`")
            return cls(tuple(_rule(entry) for entry in configuration["resources"]))
        except (KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
            raise ConfigurationInvalid(f"no EncryptionConfiguration: {type(error).__name__}: {error}") from error

    def rule(self, resource: str) -> Rule | None:
        """What these objects must be sealed with; None where nobody asks for that."""
        found = next((rule for rule in self.rules if rule.covers(resource)), None)
        return found if found is not None and found.encrypts else None


def _rule(entry: Any) -> Rule:
    """The first provider is the one that writes; the others only read what is there."""
    patterns = tuple(str(name) for name in entry["resources"])
    kind, settings = next(iter(entry["providers"][0].items()))
    if kind == "identity":
        return Rule(patterns, False)
    if kind == "kms":
        return Rule(patterns, True, f"kms:{settings.get('apiVersion', 'v1')}:{settings['name']}")
    return Rule(patterns, True, f"{kind}:v1", str(settings["keys"][0]["name"]))
