"""The table of reason codes: stable id, sentence, what to change, controls. The data is reasons.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class ReasonCode:
    id: str
    sentence: str
    fix: str
    controls: tuple[str, ...]


@cache
def reason_codes() -> Mapping[str, ReasonCode]:
    """Every code by its id, in the order of the file."""
    import yaml  # only where reasons are made, not at every start

    rows = yaml.load(files("policies").joinpath("reasons.yaml").read_text(), Loader=yaml.CSafeLoader)
    return {id: ReasonCode(id, row["sentence"], row["fix"], tuple(row["controls"])) for id, row in rows.items()}
