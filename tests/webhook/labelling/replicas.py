"""Replicas of the labeller over one fake API server, each with its own late view of the nodes and its own clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from prometheus_client import CollectorRegistry

from policies.geography import Geography, Regions
from tests.webhook.labelling.fake_api import Clock, FakeApi, FakeClient
from webhook.labelling.candidate import Candidate, LeaseName
from webhook.labelling.election import Election, Terms
from webhook.labelling.labeller import Labeller
from webhook.labelling.observed import Observed
from webhook.labelling.work import Pace

Json = dict[str, Any]
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
REGION = "topology.kubernetes.io/region"
AWS: Json = {"providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]}
TERMS = Terms(15.0)
LEASE = LeaseName("bailiwick-system", "labeller")


def geography(profile: Json = AWS) -> Geography:
    return Geography(Regions.builtin(), profile)


_NUMBERS = count(0x10000000000000000)


def believable(region: str = "eu-central-1", **labels: str) -> Json:
    """Labels and providerID of a node that is really there, each time another one."""
    identity = f"aws:///{region}a/i-{next(_NUMBERS):x}"
    return {"labels": {REGION: region, **labels}, "spec": {"providerID": identity}}


@dataclass
class View:
    """What a replica's watch has told it so far."""

    held: dict[str, Json] = field(default_factory=dict)
    listed: bool = True

    def heard(self) -> bool:
        return self.listed

    def names(self) -> Sequence[str]:
        return list(self.held)

    def node(self, name: str) -> Json | None:
        return self.held.get(name)


@dataclass
class Declared:
    """What is declared, to be changed by a test."""

    geography: Geography | None = field(default_factory=geography)

    def __call__(self) -> Geography | None:
        return self.geography


class Replica:
    """One replica; its clock is off by `skew` seconds, its wall clock by as many days."""

    def __init__(
        self, api: FakeApi, name: str, declared: Declared, skew: float = 0.0, pace: Pace | None = None
    ) -> None:
        self.name, self.api, self._skew = name, api, skew
        self.client: FakeClient = api.client(name)
        self.view = View()
        self.registry = CollectorRegistry()
        wall = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=skew)
        candidate = Candidate(self.client, LEASE, Election(name, TERMS), self._clock, lambda: wall)
        self.labeller = Labeller(
            self.client,
            self.view,
            declared,
            candidate,
            Observed(self.registry),
            pace or Pace(1000, 1000),
            TERMS.request,
            self._clock,
        )
        self.candidate = candidate

    def hear(self) -> None:
        """The watch delivers what changed."""
        now = self.api.nodes
        names = [name for name in {**now, **self.view.held} if now.get(name) != self.view.held.get(name)]
        self.view.held = dict(now)
        if names:
            self.labeller.changed(names)

    def turns(self, seconds: float) -> None:
        """As the loop would, for so long."""
        until = self.api.clock() + seconds
        while self.api.clock() < until:
            self.hear()
            pause = self.labeller.turn()
            self.api.clock.now += min(max(pause, 0.001), until - self.api.clock() if self.api.clock() < until else 0)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"bailiwick_node_{name}", labels) or 0.0

    def _clock(self) -> float:
        return self.api.clock() + self._skew


def alone(api: FakeApi | None = None, **more: Any) -> Replica:
    return Replica(api or FakeApi(Clock()), "a", more.pop("declared", None) or Declared(), **more)


def labels(api: FakeApi) -> dict[str, str | None]:
    return {name: node["metadata"].get("labels", {}).get(PLACE) for name, node in sorted(api.nodes.items())}
