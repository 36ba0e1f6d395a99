"""What is sealed opens again, for exactly what it was sealed for, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keymgmt.envelopes.envelope import UnverifiedEnvelope, parse_envelope
from keymgmt.envelopes.opening import Memory, RegionOpener
from keymgmt.envelopes.sealing import Limits, RegionSealer
from keymgmt.errors import BindingInvalid, EnvelopeInvalid, ForeignRegion, NoSuchKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.secret import Secret

REGIONS = ("eu-de", "eu-fr", "ch-zurich", "us-east", "eu-de-2")
FIELDS = ("region", "jurisdiction", "purpose", "cluster", "tenant")
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
texts = st.text(max_size=40)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counting:
    """An unwrapper that counts how often it is asked, as a network call would be."""

    keyring: FileKeyring
    asked: list[bytes] = field(default_factory=list)

    @property
    def region(self) -> str:
        return self.keyring.region

    @property
    def generation(self) -> int:
        return self.keyring.generation

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        self.asked.append(envelope.key_id)
        return self.keyring.unwrap(envelope, purpose, info)


@shared
@given(data=st.binary(max_size=5000), jurisdiction=texts, cluster=texts, tenant=texts)
def test_round_trip(keyring: FileKeyring, data: bytes, jurisdiction: str, cluster: str, tenant: str) -> None:
    """Any data under any binding comes back as it was, and costs 139 bytes more."""
    bound = Binding("eu-de", jurisdiction, "audit-archive", cluster, tenant)
    envelope = keyring.sealer().seal(data, bound)
    assert envelope.region == "eu-de"
    assert keyring.opener().open(envelope.to_bytes(), bound) == data
    assert len(envelope.to_bytes()) == len(data) + 134 + len("eu-de")


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "after the true one was opened"])
def test_every_byte_counts(keyring: FileKeyring, bound: Binding, warm: bool) -> None:
    """No bit of an envelope can be flipped unnoticed, whether or not its data key is remembered."""
    envelope = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    opener = keyring.opener()
    if warm:
        opener.open(envelope, bound)
    for position in range(len(envelope)):
        for bit in (1, 0x20, 0x80):
            flipped = bytearray(envelope)
            flipped[position] ^= bit
            with pytest.raises(EnvelopeInvalid):
                opener.open(bytes(flipped), bound)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "after the true one was opened"])
@pytest.mark.parametrize("name", FIELDS)
@shared
@given(other=texts)
def test_every_field_of_the_binding_counts(
    keyring: FileKeyring, bound: Binding, name: str, warm: bool, other: str
) -> None:
    """An envelope opens under no binding but its own."""
    if getattr(bound, name) == other:
        return
    envelope = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    opener = keyring.opener()
    if warm:
        opener.open(envelope, bound)
    with pytest.raises(EnvelopeInvalid):
        opener.open(envelope, replace(bound, **{name: other}))


def test_fields_do_not_run_together(keyring: FileKeyring, bound: Binding) -> None:
    """Moving a letter from one field to its neighbour gives another binding."""
    envelope = keyring.sealer().seal(b"x", replace(bound, cluster="prod", tenant="clinic")).to_bytes()
    with pytest.raises(EnvelopeInvalid):
        keyring.opener().open(envelope, replace(bound, cluster="prodc", tenant="linic"))


@given(data=st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: b"BWEN\x01\x01\x01" + tail))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are an envelope or EnvelopeInvalid, nothing else, and what parses is the whole of what was given."""
    try:
        parsed = parse_envelope(data)
    except EnvelopeInvalid:
        return
    assert parsed.header + parsed.nonce + parsed.ciphertext == data


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (0, "not an envelope"),
        (4, "newer release"),
        (5, "unknown algorithms"),
        (6, "unknown algorithms"),
        (30, "length"),
    ],
)
def test_what_is_not_understood_is_named(keyring: FileKeyring, bound: Binding, at: int, says: str) -> None:
    """Another version, algorithm or length is refused as such, before any key is touched."""
    envelope = bytearray(keyring.sealer().seal(b"x", bound).to_bytes())
    envelope[at] ^= 0x40
    with pytest.raises(EnvelopeInvalid, match=says):
        parse_envelope(bytes(envelope))


@pytest.mark.parametrize("sealed_in", REGIONS)
def test_only_the_diagonal_opens(make: Callable[[str], FileKeyring], sealed_in: str) -> None:
    """Of all pairs of regions, only a region and itself open an envelope: by name, and by the AEAD when names lie."""
    keyrings = {region: make(region) for region in REGIONS}
    bound = Binding(sealed_in, "EU", "audit-archive", "prod", "clinic")
    envelope = keyrings[sealed_in].sealer().seal(b"patient 4711", bound).to_bytes()
    for region, keyring in keyrings.items():
        if region == sealed_in:
            assert keyring.opener().open(envelope, bound) == b"patient 4711"
            continue
        for claimed in (bound, replace(bound, region=region)):
            with pytest.raises(ForeignRegion):
                keyring.opener().open(envelope, claimed)
        with pytest.raises(EnvelopeInvalid) as refusal:
            keyring.opener().open(renamed(envelope, region), replace(bound, region=region))
        assert refusal.type is EnvelopeInvalid


def renamed(envelope: bytes, region: str) -> bytes:
    """The envelope with another region written over its own."""
    end = 8 + envelope[7]
    return envelope[:7] + bytes([len(region)]) + region.encode() + envelope[end:]


def test_stolen_key_id(make: Callable[[str], FileKeyring], bound: Binding) -> None:
    """An envelope that claims both the region and the key id of another keyring still does not open there."""
    ours, theirs = make("eu-de"), make("eu-fr")
    envelope = renamed(ours.sealer().seal(b"x", bound).to_bytes(), "eu-fr")
    key_at = 8 + len("eu-fr")
    stolen = theirs.recipient("audit-archive").key_id
    forged = envelope[:key_at] + stolen + envelope[key_at + 16 :]
    with pytest.raises(EnvelopeInvalid, match="does not open"):
        theirs.opener().open(forged, replace(bound, region="eu-fr"))


def test_foreign_region_costs_nothing(make: Callable[[str], FileKeyring], bound: Binding) -> None:
    """A foreign envelope is refused before the key service is asked for anything."""
    counting = Counting(make("eu-fr"))
    envelope = make("eu-de").sealer().seal(b"x", bound).to_bytes()
    for claimed in (bound, replace(bound, region="eu-fr")):
        with pytest.raises(ForeignRegion):
            RegionOpener(counting).open(envelope, claimed)
    assert counting.asked == []


def test_one_envelope_is_enough(keyring: FileKeyring, bound: Binding) -> None:
    """Each envelope opens alone, by an opener that never saw another."""
    sealer = keyring.sealer()
    envelopes = [sealer.seal(bytes([n]), bound).to_bytes() for n in range(20)]
    assert [keyring.opener().open(envelope, bound) for envelope in reversed(envelopes)] == [
        bytes([n]) for n in reversed(range(20))
    ]


def wrapped_keys(envelopes: list[bytes]) -> list[bytes]:
    return [parse_envelope(envelope).wrapped for envelope in envelopes]


def test_a_data_key_serves_so_many_records(keyring: FileKeyring, bound: Binding) -> None:
    """After `uses` records a new data key is wrapped, and no nonce ever comes twice."""
    sealer = RegionSealer(keyring, limits=Limits(uses=3))
    envelopes = [sealer.seal(b"x", bound).to_bytes() for _ in range(9)]
    keys = wrapped_keys(envelopes)
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 3, 3]
    assert len({parse_envelope(envelope).nonce for envelope in envelopes}) == 9


def test_a_data_key_serves_so_long(keyring: FileKeyring, bound: Binding) -> None:
    """After `seconds` a new data key is wrapped."""
    clock = Clock()
    sealer = RegionSealer(keyring, limits=Limits(seconds=600), clock=clock)
    keys = []
    for moment in (0, 599.9, 600, 1199.9, 1200):
        clock.now = moment
        keys += wrapped_keys([sealer.seal(b"x", bound).to_bytes()])
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


def test_a_data_key_serves_one_binding(keyring: FileKeyring, bound: Binding) -> None:
    """Two tenants never share a data key, and no more bindings are kept than the limit says."""
    sealer = RegionSealer(keyring, limits=Limits(bindings=2))
    tenants = [replace(bound, tenant=name) for name in ("a", "b", "c", "a", "c")]
    keys = wrapped_keys([sealer.seal(b"x", tenant).to_bytes() for tenant in tenants])
    assert len(set(keys)) == 4  # `a` fell out when `c` came, and `c` stayed
    assert keys[2] == keys[4]


def test_rotation_reaches_the_sealer(keyring: FileKeyring, bound: Binding, now: datetime) -> None:
    """After a rotation the next record is sealed to the new key, and both open."""
    sealer, opener = keyring.sealer(), keyring.opener()
    before = sealer.seal(b"before", bound).to_bytes()
    rotated = keyring.rotate("audit-archive", now)
    after = sealer.seal(b"after", bound).to_bytes()
    assert parse_envelope(after).key_id == rotated.id_bytes != parse_envelope(before).key_id
    assert [opener.open(before, bound), opener.open(after, bound)] == [b"before", b"after"]


def test_sealing_needs_the_public_part_only(keyring: FileKeyring, bound: Binding) -> None:
    """A sealer made from `<region>.public.json` seals what the keyring opens."""
    public = PublicKeyring.load(keyring.public_path)
    assert keyring.opener().open(public.sealer().seal(b"x", bound).to_bytes(), bound) == b"x"


def test_data_keys_are_remembered_for_minutes(keyring: FileKeyring, bound: Binding) -> None:
    """The key service is asked once per data key and five minutes."""
    counting, clock = Counting(keyring), Clock()
    opener = RegionOpener(counting, clock=clock)
    envelope = keyring.sealer().seal(b"x", bound).to_bytes()
    asked = []
    for clock.now in (0, 299, 300, 599, 601):
        opener.open(envelope, bound)
        asked.append(len(counting.asked))
    assert asked == [1, 1, 2, 2, 3]


def test_data_keys_are_remembered_for_so_many_uses(keyring: FileKeyring, bound: Binding) -> None:
    """A remembered data key opens no more than `uses` records, and no more keys are remembered than `keys`."""
    counting = Counting(keyring)
    opener = RegionOpener(counting, memory=Memory(uses=2, keys=1))
    first, second = (keyring.sealer().seal(b"x", bound).to_bytes() for _ in range(2))
    asked = []
    for envelope in (first, first, first, first, second, first):
        opener.open(envelope, bound)
        asked.append(len(counting.asked))
    assert asked == [1, 1, 2, 2, 3, 4]


def test_sealing_for_another_region_is_refused(keyring: FileKeyring, bound: Binding) -> None:
    """A sealer never seals for a region that is not its own."""
    with pytest.raises(ForeignRegion, match="cannot seal for region `eu-fr` with the key of `eu-de`"):
        keyring.sealer().seal(b"x", replace(bound, region="eu-fr"))


@pytest.mark.parametrize("purpose", ["audit-checkpoint", "audit-tags", "nothing", ""])
def test_sealing_needs_a_key_of_the_purpose(keyring: FileKeyring, bound: Binding, purpose: str) -> None:
    """Without a sealing key for exactly this purpose nothing is sealed."""
    for sealer in (keyring.sealer(), PublicKeyring.load(keyring.public_path).sealer()):
        with pytest.raises(NoSuchKey):
            sealer.seal(b"x", replace(bound, purpose=purpose))


@pytest.mark.parametrize("tenant", ["\ud800", "t" * 65536])
def test_bindings_without_a_canonical_form(keyring: FileKeyring, bound: Binding, tenant: str) -> None:
    """A binding that cannot be encoded seals nothing and opens nothing."""
    envelope = keyring.sealer().seal(b"x", bound).to_bytes()
    with pytest.raises(BindingInvalid):
        keyring.sealer().seal(b"x", replace(bound, tenant=tenant))
    with pytest.raises(BindingInvalid):
        keyring.opener().open(envelope, replace(bound, tenant=tenant))


def test_keyrings_of_one_name_are_not_one_keyring(
    tmp_path: Path, key_file: KeyFile, keyring: FileKeyring, bound: Binding, now: datetime
) -> None:
    """A second keyring made for the same region cannot open what the first one's sealed."""
    namesake = FileKeyring.create(tmp_path / "again", "eu-de", unlock=key_file, now=now)
    envelope = keyring.sealer().seal(b"x", bound).to_bytes()
    with pytest.raises(EnvelopeInvalid, match="never had the key"):
        namesake.opener().open(envelope, bound)
