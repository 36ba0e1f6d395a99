"""Whose records these are, and what their sealed parts are bound to."""

from dataclasses import dataclass

from audit.leaves.drafts import Seal
from keymgmt.ports import Binding, Sealer

PURPOSE = "audit-archive"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Whose records these are."""

    cluster: str
    region: str  # whose keys sign and seal
    jurisdiction: str  # the region's, part of what an envelope is bound to

    def binding(self, namespace: str) -> Binding:
        """What a sealed part of that namespace is bound to; empty for the cluster itself."""
        return Binding(self.region, self.jurisdiction, PURPOSE, self.cluster, namespace)


def sealing_to(where: Whereabouts, sealer: Sealer) -> Seal:
    """What seals a part of that namespace to the region's public key. Raises what the sealer raises."""
    return lambda plain, namespace: sealer.seal(plain, where.binding(namespace))
