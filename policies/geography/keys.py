"""Where a key is, by its reference. A reference that hides where the key's copies are gives no place."""

import re

from policies.geography.geography import Geography
from policies.geography.hosts import locate
from policies.geography.located import Located
from policies.geography.place import Place
from policies.geography.regions import pattern

_DEVIOUS = re.compile(r"(^|[/:])\.\.([/:]|$)|[\x00-\x1f\x7f]")  # a glob must not be led elsewhere
_ARN = re.compile(r"(?:aws-?kms:/*)?arn:(?P<partition>aws[a-z-]*):kms:(?P<region>[a-z0-9-]*):\d*:(?P<key>.+)", re.ASCII)
_GCP = re.compile(
    r"(?:gcp-?kms:/+|//cloudkms\.googleapis\.com/|https://cloudkms\.googleapis\.com/v1/)?"
    r"projects/[^/]+/locations/(?P<location>[a-z0-9-]+)/keyRings/.+",
    re.ASCII,
)
_DECLARE = "declare it in `spec.keys` of the ClusterProfile"


def place_of_key(reference: str, geography: Geography) -> Located:
    """What the profile's `keys` declare; else what ARNs, Google resource names, OCIDs and their like spell out."""
    if _DEVIOUS.search(reference):
        return Located(None, f"`{reference!r}` holds `..` or a control character: name the key by its plain path")
    declared = geography.declared_for("keys", reference)
    if declared is not None:
        place = geography.by_code(declared["place"])
        because = f"the ClusterProfile declares `{declared['match']}`"
        return Located(
            place,
            because,
            declared.get("assurance") or "",
            revoked=bool(declared.get("revoked")),
            attested=declared.get("attested") or "",
            within=declared.get("attestedWithin") or 0,
        )
    if match := _ARN.fullmatch(reference):
        return _amazon(match, geography)
    if match := _GCP.fullmatch(reference):
        return _google(match["location"], geography)
    for row in geography.regions.keys:
        if match := pattern(row["match"]).match(reference):
            return _by_row(row["provider"], match, geography)
    if reference.startswith(("http://", "https://")):
        return locate(reference, geography, "keys", (geography.regions.hosts,))
    return Located(None, f"key `{reference}` does not say where it is: {_DECLARE}")


def _amazon(match: re.Match[str], geography: Geography) -> Located:
    """A multi-Region key has copies in other regions, and an alias may stand for one; AWS's own keys never are."""
    place, key = geography.place(match["partition"], match["region"]), match["key"]
    if place is None:
        return Located(None, f"region `{match['region']}` of partition `{match['partition']}` is not known")
    if key.startswith("key/mrk-"):
        return Located(
            None, f"`{key}` is a multi-Region key: its material may be in any region; use a single-Region key"
        )
    if key.startswith("alias/") and not key.startswith("alias/aws/"):
        return Located(None, f"`{key}` may stand for a multi-Region key: name the key by its id, or {_DECLARE}")
    return Located(place, f"its ARN names region `{match['region']}`")


def _google(location: str, geography: Geography) -> Located:
    place = geography.place("gcp", location)
    if place is None:
        return Located(None, f"location `{location}` of Google's KMS is no one place: use a regional key ring")
    return Located(place, f"its key ring is in location `{location}`")


def _by_row(provider: str, match: re.Match[str], geography: Geography) -> Located:
    place, realm = geography.place(provider, match["region"]), match.groupdict().get("realm")
    if place is None or (realm and not _in_realm(place, realm, geography)):
        return Located(None, f"region `{match['region']}` of {provider} is not known: {_DECLARE}")
    return Located(place, f"its name says region `{match['region']}` of {provider}")


def _in_realm(place: Place, realm: str, geography: Geography) -> bool:
    return geography.regions.providers[place.provider].realms.get(place.code) == realm
