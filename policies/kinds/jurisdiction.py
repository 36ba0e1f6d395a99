"""Jurisdiction: which places are acceptable, who may operate and control them, and which transfers out are lawful."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from annotated_types import Len
from pydantic import Field

from policies.kinds.part import Part, Raw, Rule, some_of, star_alone
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import (
    Country,
    CountryOrSet,
    CountrySet,
    DnsLabel,
    Expiry,
    Items,
    Line,
    PlaceCode,
    Text,
    Unique,
    described,
    end_of,
    listed,
    required,
)

DataKind = Annotated[
    str,
    Text(
        "a kind of data in lower case, or `*` for all",
        "backups",
        pattern=r"^(\*|[a-z][a-z0-9]*(-[a-z0-9]+)*)$",
        most=63,
    ),
]


class Territory(Part):
    """A set of places: the union of country sets, countries and single places."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("countries", "sets", "places"),)

    sets: Annotated[Items[CountrySet], Len(0, 64), Unique()] = listed("Named sets of countries, such as EU or EEA.")
    countries: Annotated[Items[Country], Len(0, 256), Unique()] = listed("Countries, ISO 3166-1 alpha-2.")
    places: Annotated[Items[PlaceCode], Len(0, 512), Unique()] = listed(
        "Single places: `<provider>.<region>`, or the name of a site in the ClusterProfile."
    )


def _disjoint(part: Raw) -> bool:
    return not set(part.get("countries") or ()) & set(part.get("except") or ())


class Parties(Part):
    """Whose hands are acceptable, by country: those of `countries` (all, when empty) without those of `except`.

    The name of a set stands for its members.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        some_of("countries", "except"),
        Rule(
            ("except", "countries"),
            "countries that are not in `countries` too",
            "!has(self.countries) || !has(self.except) || !self.except.exists(c, c in self.countries)",
            _disjoint,
        ),
    )

    countries: Annotated[Items[CountryOrSet], Len(0, 256), Unique()] = listed("Only parties from these countries.")
    except_: Annotated[Items[CountryOrSet], Len(0, 256), Unique()] = listed(
        "No party from these countries.", alias="except"
    )


class Transfer(Part):
    """A lawful way out of the jurisdiction."""

    rules: ClassVar[tuple[Rule, ...]] = (star_alone("what"),)

    name: DnsLabel = required("A name, unique in the jurisdiction; records of decisions that used it carry it.")
    to: Territory = required("Where the data may go.")
    what: Annotated[Items[DataKind], Len(1, 64), Unique()] = required(
        "Which data: backups, telemetry, models, inference, images and so on, or `*`."
    )
    basis: Line = required("The legal basis, for example `GDPR 45`.")
    reference: Line | None = described("Where the basis is written down: a decision, a contract, a ticket.")
    expires: Expiry | None = described(
        "When it ends: a date (the whole day in UTC still counts) or an RFC 3339 time. Never, when left out."
    )

    @property
    def ends(self) -> datetime | None:
        """The first moment at which the transfer is no longer in force; None when it has no end."""
        return end_of(self.expires) if self.expires else None


class JurisdictionSpec(Part):
    """Where, in whose hands, and what may leave."""

    located_in: Territory = required("Where data and workloads may be.")
    operated_by: Parties | None = described("Who may operate the place, by country of the operator.")
    controlled_from: Parties | None = described("From where the operator may be controlled, by country of its parent.")
    confidence: Annotated[Items[Literal["verified", "code", "secondary", "inferred"]], Len(1, 4), Unique()] = Field(
        default=("verified", "code"),
        description="How well a region's country must be known: stated by a source, spelt by the provider's own code, "
        "stated by third parties only, or inferred.",
    )
    transfers: Annotated[Items[Transfer], Len(0, 128), Unique("name")] = listed("Lawful ways out.")


class Jurisdiction(Resource):
    """A named set of acceptable places and the transfers out of it."""

    registration: ClassVar[Registration] = Registration(
        plural="jurisdictions",
        short="jur",
        summary="A Jurisdiction names the places that a namespace's data and workloads may be in, who may operate and "
        "control them, and the lawful transfers out of it.",
        columns=(
            Column("Sets", ".spec.locatedIn.sets"),
            Column("Countries", ".spec.locatedIn.countries"),
            Column("Transfers", ".spec.transfers[*].name", wide=True),
        ),
        label_safe=True,
    )

    spec: JurisdictionSpec = required("Where, in whose hands, and what may leave.")
