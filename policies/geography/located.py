"""Where something other than a node is, and how that is known."""

from dataclasses import dataclass

from policies.geography.place import Place


@dataclass(frozen=True, slots=True)
class Located:
    """A place, or None and the reason: then `because` says what to declare in the ClusterProfile."""

    place: Place | None
    because: str
    assurance: str = ""  # of a key, as declared: `software`, `service` or `hardware`
    revoked: bool = False  # of a key, as declared
    attested: str = ""  # of a key, as declared: an RFC 3339 time
    within: int = 0  # hours that an attestation counts; 0: none is asked for
    inside: bool = False  # nowhere outside the cluster: one of its services, the pod, its node; then without a place

    @property
    def code(self) -> str:
        return self.place.code if self.place else ""
