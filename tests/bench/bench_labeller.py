"""What labelling nodes costs: processor time for one node that changed, among 50 and among 5,000, in turns."""

import sys
import time
from statistics import median

from tests.webhook.labelling.fake_api import Clock, FakeApi
from tests.webhook.labelling.replicas import PLACE, Replica, alone, believable

TURNS = 300
MOST = 1.2  # times what it costs among 50


def settled(size: int) -> tuple[Replica, float]:
    """A leader that has looked at so many nodes, all of them right, and the microseconds of that for each."""
    api = FakeApi(Clock())
    for number in range(size):
        api.put_node(f"n{number}", **believable(**{PLACE: "aws.eu-central-1"}))
    replica = alone(api)
    replica.hear()
    began = time.process_time()
    while not replica.labeller.settled():
        replica.labeller.turn()
    return replica, (time.process_time() - began) / size * 1e6


def changed(replica: Replica, turn: int) -> float:
    """Microseconds for the news of one node that is right still, as most news is."""
    name = f"n{turn % 50}"
    node = replica.view.held[name]
    replica.view.held[name] = {**node, "metadata": {**node["metadata"], "resourceVersion": f"x{turn}"}}
    began = time.process_time()
    replica.labeller.changed([name])
    replica.labeller.turn()
    return (time.process_time() - began) * 1e6


def main() -> int:
    """Print the figures; 1 when the fleet's size counts."""
    (few, _), (many, each) = settled(50), settled(5_000)
    pairs = [(changed(few, turn), changed(many, turn)) for turn in range(TURNS)]
    small, large = (median(column) for column in zip(*pairs, strict=True))
    missed = large > MOST * small
    print(f"{'a first look at 5,000 nodes':<34} {each:>8.1f} us a node")
    print(f"{'news of a node, among 50':<34} {small:>8.1f} us")
    aim = f"at most {MOST}{' MISSED' if missed else ''}"
    print(f"{'news of a node, among 5,000':<34} {large:>8.1f} us {large / small:>6.2f} x  {aim}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
