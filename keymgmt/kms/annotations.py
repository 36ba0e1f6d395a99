"""What the plugin writes beside each ciphertext, in clear, for whoever reads etcd without any key. Pure.

    ciphertext   the envelope of docs/keys.md, purpose `etcd`, sealed to the region's public key
    key_id       of the key it is sealed to, `bwk1.` and 22 characters
    annotations  format.keys.bailiwick.dev        v1
                 region.keys.bailiwick.dev        the region
                 jurisdiction.keys.bailiwick.dev  as declared; may be empty
                 version.keys.bailiwick.dev       of the key, decimal

Region, jurisdiction and key are authenticated by the envelope's associated data; annotations only repeat them, and
whatever does not repeat them exactly is refused.
"""

from collections.abc import Mapping

from keymgmt.envelopes.envelope import UnverifiedEnvelope, key_id_text, parse_envelope
from keymgmt.errors import EnvelopeInvalid, ForeignRegion
from keymgmt.keys import REGION_NAME as REGION
from keymgmt.keys import KeyFacts
from keymgmt.ports import Binding

PURPOSE = "etcd"
FORMAT = b"v1"
FORMAT_NAME = "format.keys.bailiwick.dev"
REGION_NAME = "region.keys.bailiwick.dev"
JURISDICTION_NAME = "jurisdiction.keys.bailiwick.dev"
VERSION_NAME = "version.keys.bailiwick.dev"
LARGEST_CIPHERTEXT = 1024  # bytes; the API server refuses more
LARGEST_PLAINTEXT = 256  # bytes; the API server sends 32, and an RSA envelope of 256 still fits


def etcd_binding(region: str, jurisdiction: str, cluster: str) -> Binding:
    """What everything in one cluster's etcd is bound to."""
    return Binding(region, jurisdiction, PURPOSE, cluster, tenant="")


def annotations_of(bound: Binding, key: KeyFacts) -> dict[str, bytes]:
    """What is written beside a ciphertext under this key."""
    return {
        FORMAT_NAME: FORMAT,
        REGION_NAME: bound.region.encode(),
        JURISDICTION_NAME: bound.jurisdiction.encode(),
        VERSION_NAME: str(key.version).encode(),
    }


def key_id_of(envelope: UnverifiedEnvelope) -> str:
    """The key id that an envelope names, as the API server stores it."""
    return key_id_text(envelope.key_id)


def parse_stored(
    ciphertext: bytes, key_id: str, annotations: Mapping[str, bytes], bound: Binding
) -> UnverifiedEnvelope:
    """Take apart what the API server had stored, all of it saying the same. Proves nothing; opening does.

    Raises ForeignRegion for another region's, EnvelopeInvalid for what doesn't fit together.
    """
    if len(ciphertext) > LARGEST_CIPHERTEXT:
        raise EnvelopeInvalid(f"ciphertext has {len(ciphertext)} bytes, and the largest has {LARGEST_CIPHERTEXT}")
    envelope = parse_envelope(ciphertext)
    named = annotations.get(REGION_NAME, b"").decode("utf-8", "replace")
    for region in (envelope.region, named):
        if region != bound.region:
            shown = region if REGION.fullmatch(region) else "rubbish"  # it goes into a log
            raise ForeignRegion(f"sealed for region `{shown}`, and this is `{bound.region}`; open it there")
    if key_id != key_id_of(envelope):
        raise EnvelopeInvalid("the key id beside the ciphertext is not the one inside it")
    return envelope


def check_annotations(annotations: Mapping[str, bytes], bound: Binding, key: KeyFacts) -> None:
    """Raise EnvelopeInvalid unless they say what is written for this key, no more and no less."""
    wanted = annotations_of(bound, key)
    if annotations == wanted:
        return
    for name in sorted(wanted.keys() | annotations.keys()):
        if annotations.get(name) != wanted.get(name):
            shown = name if name in wanted else "rubbish"
            raise EnvelopeInvalid(f"annotation `{shown}` is not the one that was written with key `{key.key_id}`")
