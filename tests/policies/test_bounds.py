"""What stays in memory of what was judged: no text of a tenant's, and answers of a stated number and size.

`BAILIWICK_ROUNDS` says how often all objects are judged, with other texts each time.
"""

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cel.library.regex import find, matches
from policies.checking import creation
from policies.explaining.devices import fits
from policies.geography import Geography
from policies.geography.hosts import locate
from policies.remembered import LONGEST, Shelf, remembered
from policies.request import Phase
from policies.snapshot import MemorySnapshot, Ref
from policies.workloads import extract, whole
from policies.workloads.catalogue.kinds import Template
from policies.workloads.pods import MadePod, Reading
from policies.workloads.specs.places import Place
from tests.policies.hostile import Object, Texts, objects
from tests.policies.law import EU, engine_under, namespace, ours, profile
from webhook.serving.doors import timeout_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROUNDS, LENGTH = int(os.environ.get("BAILIWICK_ROUNDS", "3")), 20_000  # characters of each text
ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
READING = (
    "k.matches(object.metadata.annotations[k].substring(0, 9000))",
    "k.find(object.metadata.annotations[k].substring(0, 9000)) != 'a'",
    "isQuantity(k) || !isURL(k)",
    "timestamp('2026-11-21T00:00:00Z').getHours(k) > 0",
)


@pytest.fixture(scope="module")
def judge() -> Callable[[Object], None]:
    """Two doors, and all that is extracted; by the built-in policies and one that reads texts as patterns and so on."""
    each = [f"!has(object.metadata.annotations) || object.metadata.annotations.all(k, {said})" for said in READING]
    own = {"matchConstraints": {"resourceRules": [ALL]}, "validations": [{"expression": one} for one in each]}
    engine = engine_under(EU, profile("eu-central-1"), ours("SovereigntyPolicy", "reading", own))
    snapshot = MemorySnapshot.of([namespace("chat")])

    def judged(subject: Object) -> None:
        fresh = engine.under(engine.law)  # which remembers no decision
        request = creation(subject, "chat")
        for phase in (Phase.MUTATE, Phase.FAIL):
            fresh.decide(request, phase, snapshot, NOW)
        whole(extract(subject))

    return judged


def beside(text: Texts, snapshot: MemorySnapshot) -> None:
    """What else is asked with a text from outside."""
    fits(text("device.driver == '", "'"), "gpu.example", {})
    snapshot.digest_of(Ref("", text(), text(), text()))
    timeout_of(text("timeout=").encode(), 10.0, 30.0)
    locate(text.host(), Geography(), "hosts", ())
    for _ in range(4):  # patterns have at most 10,000 characters
        assert not matches("a", text()[:9_000])
        assert not find("a", text()[:9_000])


def test_nothing_stays_of_the_texts_of_tenants(judge: Callable[[Object], None]) -> None:
    """Objects of twenty kinds with a new text in each place where one may stand: what is held doesn't grow by them.

    One text in one place of one object, held each round, would be more than is granted.
    """
    text, snapshot = Texts(LENGTH), MemorySnapshot()

    def judge_all() -> None:
        for subject in objects(text):
            judge(subject)
        beside(text, snapshot)
        urlsplit.cache_clear()  # of the standard library: 128 addresses, of which we give 4,096 characters at most
        gc.collect()

    for _ in range(2):  # expressions that are evaluated often are compiled
        judge_all()
    with traced() as held:
        judge_all()
        before = held()
        for _ in range(ROUNDS):
            judge_all()
        grown = held() - before
    print(f"{grown} bytes")
    assert grown < ROUNDS * LENGTH / 2


def test_an_engine_remembers_so_much_and_no_more() -> None:
    """Decisions and corrected templates of large objects, each another one: all together stay below 24 MiB."""
    engine, snapshot, text = (
        engine_under(EU, profile("eu-central-1")),
        MemorySnapshot.of([namespace("chat")]),
        Texts(120_000),
    )

    def judge_one() -> None:
        env = [{"name": "MODEL_ID", "value": text("owner/")}]
        template = {"spec": {"containers": [{"name": "a", "image": "registry.example/a:v1", "env": env}]}}
        subject = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}}
        request = creation({**subject, "metadata": {"name": "a", "namespace": "chat"}}, "chat")
        for phase in (Phase.MUTATE, Phase.FAIL):
            engine.decide(request, phase, snapshot, NOW)

    judge_one()
    with traced() as held:
        for _ in range(120):
            judge_one()
        assert held() < 24 << 20


def test_a_made_pod_is_read_at_few_paths() -> None:
    """A template that stands at many paths of one object, or at long ones, leaves the facts of few of them."""
    pod = MadePod({"spec": {"containers": [{"image": "a"}]}})
    for path in [*(f"spec.tasks[{index}]" for index in range(100)), "x" * 300]:
        assert Reading(pod, Place(path, Template(template=""), {})).said("images")
        assert len(pod.lists) <= 36
    assert not any(len(path) > LONGEST for path, _, _ in pod.lists)


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Bytes that were allocated since and are still held."""

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        yield held
    finally:
        tracemalloc.stop()


@given(texts=st.lists(st.one_of(st.text(max_size=12), st.tuples(st.text(max_size=6), st.text(max_size=6)))))
def test_what_is_remembered_is_what_is_computed(texts: list[Any]) -> None:
    """Whatever was asked before: the same answer, from so many and so long texts at most."""

    @remembered(3, longest=8)
    def doubled(text: Any) -> Any:
        return text, text

    held = doubled.__self__  # type: ignore[attr-defined]
    for text in texts:
        assert doubled(text) == (text, text)
        assert len(held) <= 3
        assert all((len(one) if isinstance(one, str) else sum(map(len, one))) <= 8 for one in held)


def test_what_raises_is_asked_again() -> None:
    """An exception is no answer."""
    asked = []

    @remembered(3)
    def refused(text: str) -> str:
        asked.append(text)
        raise ValueError(text)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            refused("a")
    assert asked == ["a", "a"]


@given(kept=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40))))
def test_a_shelf_holds_the_newest_that_it_has_room_for(kept: list[tuple[int, int]]) -> None:
    """Never more answers nor more weight than it was given; the newest stays, unless it is too heavy."""
    shelf: Shelf[int, tuple[int, int]] = Shelf(4, 400)
    newest: dict[int, tuple[int, int]] = {}
    for key, weight in kept:
        shelf.keep(key, (key, weight), weight)
        newest.pop(key, None)
        if weight <= 25:
            newest[key] = (key, weight)
        newest = dict(list(newest.items())[-4:])
        assert {one: shelf.get(one) for one in range(10) if shelf.get(one)} == newest


def test_a_shelf_is_never_too_heavy() -> None:
    """The oldest go until there is room."""
    shelf: Shelf[int, str] = Shelf(100, 64)
    for key in range(40):
        shelf.keep(key, "", 4)
    assert [key for key in range(40) if shelf.get(key) is not None] == list(range(24, 40))
