"""A run of random cases against the peer, with every disagreement made small.

`python -m tests.policies.cel.oracle.campaign [-n CASES] [--seed SEED]` runs one by hand and groups what it finds.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any

from tests.policies.cel.oracle import objects
from tests.policies.cel.oracle.difference import Difference, difference
from tests.policies.cel.oracle.generator import Generator
from tests.policies.cel.oracle.mutation import broken
from tests.policies.cel.oracle.peer import NEWEST, PROGRAMS, Peer, PeerDied
from tests.policies.cel.oracle.smallest import smallest_text, smallest_tree, smallest_value
from tests.policies.cel.oracle.subject import Subject
from tests.policies.cel.oracle.tree import Tree
from tests.policies.cel.oracle.typed import DYN

Json = dict[str, Any]

CASES_PER_REQUEST = 40  # expressions over one set of bindings
MUTATIONS = 0.2  # of sets of bindings are used with Object{} and JSONPatch{}
_FORGOTTEN = frozenset({"optional", "decision"})  # types that a variable becomes dyn with
COMPOSED = 0.15  # have a policy's variables
OLDER = 0.15  # have the libraries of another version
LIBRARIES = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
EXPECTED = 0.15  # must have a certain type
BROKEN = 0.06  # chance that an expression's text is damaged, for the parsers


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the values that go with it."""

    tree: Tree
    question: Json
    bindings: Json


@dataclass(frozen=True, slots=True)
class Found:
    """A disagreement in its smallest form."""

    text: str
    question: Json
    bindings: Json
    difference: Difference

    def __str__(self) -> str:
        with_ = {key: value for key, value in self.question.items() if key not in ("expr", "use")}
        used = {name: value for name, value in self.bindings.items() if value is not None}
        lines = [self.text, f"      {self.difference}"]
        lines += [f"      with   {with_}"] if with_ else []
        lines += [f"      over   {used}"] if used else []
        return "\n".join(lines)


@dataclass(slots=True)
class Campaign:
    """Asks both engines. `outcomes` counts what the peer answered, so that a run of nothing but rejections shows."""

    peer: Peer
    seed: int
    version: str = NEWEST
    subject: Subject = field(init=False)
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.subject = Subject(self.version)

    def run(self, cases: int) -> Iterator[Found]:
        """Yield every disagreement among so many cases."""
        random = Random(self.seed)
        done = 0
        while done < cases:
            batch = self._batch(random, min(CASES_PER_REQUEST, cases - done))
            yield from self.check(batch)
            done += len(batch)

    def _batch(self, random: Random, size: int) -> list[Case]:
        bindings = objects.bindings(random)
        patches = random.random() < MUTATIONS
        generator = Generator(random, bindings, patches)
        question: Json = {"patches": True} if patches else {}
        if random.random() < OLDER:
            question["version"] = random.choice(LIBRARIES[: LIBRARIES.index(self.version) + 1])
        if random.random() < EXPECTED:
            question["returns"] = random.choice(("object", "patches") if patches else ("bool", "string"))
        if random.random() < COMPOSED:
            question["variables"] = self._composed(generator, random, question.get("version", ""))
        cases = []
        for _ in range(size):
            tree = generator.expression()
            if random.random() < BROKEN:
                tree = Tree(tree.type, (broken(tree.text, random),))
            cases.append(Case(tree, {**question, "expr": tree.text}, bindings))
        return cases

    def _composed(self, generator: Generator, random: Random, version: str) -> list[Json]:
        """A few variables of a policy, the later ones over the earlier ones; from now on expressions name them."""
        patches, generator.patches = generator.patches, False  # variables can't construct objects
        made: list[Json] = []
        for index in range(random.randint(1, 3)):
            wanted = generator.any_type()
            expression = generator.tree(wanted, 2).text
            answer = self.peer.answer(mode="compile", expr=expression, variables=made, version=version)
            if "type" in answer:  # the API server stores no policy with a variable that can't be compiled
                made.append({"name": f"w{index}", "expression": expression})
                generator.variables[f"w{index}"] = wanted if wanted.name not in _FORGOTTEN else DYN
        generator.patches = patches
        return made

    def check(self, cases: Sequence[Case]) -> Iterator[Found]:
        """Yield the disagreements among these cases, which share their bindings. What the peer dies of is left out."""
        try:
            theirs = self.peer.ask(self._questions(cases))[-len(cases) :]
        except PeerDied as died:
            self.outcomes["died"] += 1
            at = max(0, died.question - 1)  # the first question keeps the bindings
            yield from self.check([*cases[:at], *cases[at + 1 :]])
            return
        for case, answer in zip(cases, theirs, strict=True):
            self.outcomes[_outcome(answer)] += 1
            found = self._differing(case.question, case.bindings, answer)
            if found is not None:
                yield self._shrunk(case, found)

    @staticmethod
    def _questions(cases: Sequence[Case]) -> list[Json]:
        """One that keeps the bindings, which all cases share, and one for each case."""
        if not cases:
            return []
        keep = {"mode": "keep", "name": "shared", "bindings": cases[0].bindings}
        return [keep, *({**case.question, "use": "shared"} for case in cases)]

    def _differing(self, question: Json, bindings: Json, theirs: Json | None = None) -> Difference | None:
        asked = {**question, "bindings": bindings}
        try:
            if theirs is None:
                theirs = self.peer.ask([asked])[0]
        except PeerDied:  # while a case is made smaller
            return None
        try:
            ours = self.subject.answer(question, bindings)
        except Exception as error:  # noqa: BLE001 - the engine promises to raise nothing but its own errors
            return Difference("crashed", {"err": f"{type(error).__name__}: {error}"}, theirs)
        return difference(ours, theirs, lambda tries: self.peer.ask([asked] * tries))

    def _shrunk(self, case: Case, found: Difference) -> Found:
        question, bindings = dict(case.question), case.bindings

        def remains(text: str) -> bool:
            again = self._differing({**question, "expr": text}, bindings)
            return again is not None and again.kind == found.kind

        text = smallest_text(smallest_tree(case.tree, remains).text, remains)
        question["expr"] = text
        if "variables" in question and not self._needs_variables(question, bindings, found):
            del question["variables"]

        def still(values: Json) -> bool:
            again = self._differing(question, values)
            return again is not None and again.kind == found.kind

        bindings = smallest_value(bindings, still)
        return Found(text, question, bindings, self._differing(question, bindings) or found)

    def _needs_variables(self, question: Json, bindings: Json, found: Difference) -> bool:
        without = {key: value for key, value in question.items() if key != "variables"}
        again = self._differing(without, bindings)
        return again is None or again.kind != found.kind


def _outcome(answer: Json) -> str:
    if "compile_err" in answer:
        return "rejected"
    return "error" if "err" in answer else "value"


def new_seed() -> int:
    """A seed of one's own for every run."""
    return SystemRandom().randrange(2**32)


def group(found: Found) -> str:
    """Disagreements alike: the kind and the functions and operators of the expression."""
    names = sorted(set(re.findall(r"[a-zA-Z]\w*(?=\()|\[\?|\.\?|[-+*/%<>!=?]=?", found.text)))
    return f"{found.difference.kind}: {' '.join(names)}"


def main() -> int:
    """Print what is found, grouped; 1 when something is."""
    parser = argparse.ArgumentParser(description="random expressions: our CEL against the API server's")
    parser.add_argument("-n", type=int, default=2000, help="cases")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--version", choices=PROGRAMS, default=NEWEST, help="of the API server")
    parser.add_argument("--each", type=int, default=2, help="examples of a group")
    arguments = parser.parse_args()
    seed = new_seed() if arguments.seed is None else arguments.seed
    groups: dict[str, list[Found]] = {}
    started = time.monotonic()
    with Peer.built(version=arguments.version) as peer:
        campaign = Campaign(peer, seed, arguments.version)
        for found in campaign.run(arguments.n):
            groups.setdefault(group(found), []).append(found)
            print(".", end="", file=sys.stderr, flush=True)
    print(f"\nseed {seed}: {arguments.n} cases in {time.monotonic() - started:.0f} s, {dict(campaign.outcomes)}")
    for name, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(members)} x {name}")
        for member in sorted(members, key=lambda found: len(found.text))[: arguments.each]:
            print(f"    {member}")
    return 1 if groups else 0


if __name__ == "__main__":
    sys.exit(main())
