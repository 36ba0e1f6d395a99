"""Which label of which node has to change, and the patch that does it. Pure: what is believed is geography's business.

INVARIANT: a patch names the uid and the version of the node that was judged; it changes what was judged or nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from policies.geography import PLACE_LABEL, Geography, Place, UnknownPlace, believed_place, labelled_place
from policies.json import Json, JsonObject
from webhook.labelling.claims import Claims

WRITTEN, REPLACED, REMOVED = "written", "replaced", "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """A label that has to change. None stands for no label."""

    node: str
    uid: str
    version: str
    before: str | None
    after: str | None
    why: str

    @property
    def kind(self) -> str:
        if self.after is None:
            return REMOVED
        return WRITTEN if self.before is None else REPLACED

    def patch(self) -> Json:
        """An RFC 7396 merge patch; the API server answers 409 where the node is another one by now."""
        return {
            "metadata": {"uid": self.uid, "resourceVersion": self.version, "labels": {PLACE_LABEL: self.after}},
        }

    def __str__(self) -> str:
        if self.after is None:
            return f"node `{self.node}`: place `{self.before}` taken back: {self.why}"
        was = "" if self.before is None else f", where `{self.before}` stood"
        return f"node `{self.node}`: place `{self.after}` written{was}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A node, what its label says, what is believed of it, and what has to change; None: it is right as it is."""

    node: str
    labelled: str | None
    believed: Place | UnknownPlace
    change: Change | None


def judge(node: JsonObject, geography: Geography, claims: Claims) -> Judged:
    """A node without a believed place loses its label, and is right without one. `claims` has noted it."""
    metadata = node.get("metadata") or {}
    name, labelled = str(metadata.get("name") or ""), labelled_place(node)
    believed = _believed(name, node, geography, claims)
    wanted, why = (None, believed.reason) if isinstance(believed, UnknownPlace) else (believed.code, "")
    if wanted == labelled:
        return Judged(name, labelled, believed, None)
    uid, version = str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
    return Judged(name, labelled, believed, Change(name, uid, version, labelled, wanted, why))


def survey(nodes: Iterable[JsonObject], geography: Geography) -> Iterator[Judged]:
    """All of them, by name."""
    found = list(nodes)
    claims = Claims.of(found)
    return iter(sorted((judge(node, geography, claims) for node in found), key=lambda one: one.node))


def _believed(name: str, node: JsonObject, geography: Geography, claims: Claims) -> Place | UnknownPlace:
    """As geography has it, unless another node is that machine."""
    believed = believed_place(node, geography)
    if isinstance(believed, UnknownPlace):
        return believed
    by_serial = any(site.serials and site.place == believed for site in geography.sites)
    rival = claims.rival(name, by_serial=by_serial)
    return UnknownPlace(rival) if rival else believed
