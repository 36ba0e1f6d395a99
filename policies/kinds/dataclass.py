"""DataClass: how sensitive the data of a namespace is, and what that asks of everything that runs beside it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from policies.kinds.part import Part
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import Assurance, described, required

Rank = Annotated[int, Field(ge=0, le=1000)]
DeviceLevel = Literal["shared", "limited", "partitioned", "exclusive", "confidential"]
RuntimeLevel = Literal["container", "sandboxed", "virtualized", "confidential"]


class Isolation(Part):
    """How far workloads are kept from their neighbours."""

    device: DeviceLevel | None = described("The least isolation of a GPU, from `shared` up to `confidential`.")
    runtime: RuntimeLevel | None = described(
        "The least isolation of the container runtime, from `container` up to `confidential`."
    )


class ProvenanceNeeds(Part):
    """What must be known of models and images."""

    pinned: bool = Field(default=False, description="References must name a digest or a 40-hex revision.")
    evidence: bool = Field(default=False, description="Models need evidence of an accepted publisher.")


class KeyNeeds(Part):
    """Under which keys data at rest must lie."""

    region: bool = Field(default=False, description="Data at rest lies under a key of the jurisdiction.")
    assurance: Assurance | None = described(
        "How well the key must be kept at least: `software`, `service`, `hardware`."
    )


class EgressNeeds(Part):
    """Where data may be sent."""

    jurisdiction: bool = Field(
        default=False, description="Destinations lie in the jurisdiction or are covered by a transfer in force."
    )
    declared: bool = Field(default=False, description="Destinations must be ones whose place is declared or known.")


class Requirements(Part):
    """What a class asks for. What is left out is not asked for."""

    residency: bool = Field(
        default=False, description="The namespace must be bound to a jurisdiction, and everything stays in it."
    )
    isolation: Isolation | None = described("How far workloads are kept from their neighbours.")
    provenance: ProvenanceNeeds | None = described("What must be known of models and images.")
    keys: KeyNeeds | None = described("Under which keys data at rest must lie.")
    egress: EgressNeeds | None = described("Where data may be sent.")


class DataClassSpec(Part):
    """A class's rank and what it asks for."""

    rank: Rank = required("The order of classes, 0 to 1000: a higher rank is more sensitive.")
    requires: Requirements | None = described("What the class asks for; nothing, when left out.")


class DataClass(Resource):
    """The classification of a namespace."""

    registration: ClassVar[Registration] = Registration(
        plural="dataclasses",
        short="dcl",
        summary="A DataClass says how sensitive the data of a namespace is and what that asks of workloads there: "
        "residency, isolation, provenance, keys, egress.",
        columns=(
            Column("Rank", ".spec.rank", "integer"),
            Column("Residency", ".spec.requires.residency", "boolean"),
            Column("Device", ".spec.requires.isolation.device"),
            Column("Runtime", ".spec.requires.isolation.runtime"),
        ),
        label_safe=True,
    )

    spec: DataClassSpec = required("The class's rank and what it asks for.")
