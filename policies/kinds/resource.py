"""The frame that all kinds share: apiVersion, kind, metadata, spec, and a status that is kept but never believed."""

from dataclasses import dataclass
from typing import Any, ClassVar

from policies.kinds.part import Part
from policies.kinds.words import DnsLabel, LabelValue, ObjectName, QualifiedName, described, mapped, required

GROUP = "bailiwick.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False  # only with `-o wide`


@dataclass(frozen=True, slots=True)
class Registration:
    """How a kind is known to the API server."""

    plural: str
    short: str
    summary: str
    namespaced: bool = False
    columns: tuple[Column, ...] = ()
    label_safe: bool = False  # its names stand in label values


class Metadata(Part):
    """ObjectMeta. What the API server fills in is let through unread."""

    name: ObjectName = required("The name of the object.")
    namespace: DnsLabel | None = described("The namespace, for kinds that have one.")
    labels: dict[QualifiedName, LabelValue] = mapped("Labels.")
    annotations: dict[QualifiedName, str] = mapped("Annotations.")
    generate_name: Any = None
    uid: Any = None
    resource_version: Any = None
    generation: Any = None
    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    owner_references: Any = None
    finalizers: Any = None
    managed_fields: Any = None
    self_link: Any = None


class Resource(Part):
    """One object of ours."""

    registration: ClassVar[Registration]

    api_version: str = required("Always `bailiwick.dev/v1alpha1`.")
    kind: str = required("The kind.")
    metadata: Metadata = required("The object's metadata.")
    status: dict[str, Any] | None = described("What controllers report. Informational: no decision ever reads it.")
