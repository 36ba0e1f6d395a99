"""Our CEL: evaluation beside the API server's own, compilation, memory and the time that importing it takes.

The API server's CEL runs in the same minutes, over the same values and in turns with ours, so that a busy neighbour
slows both; it keeps its compiled expressions, too, and counts cost, and no side converts anything. Ours is measured in
CPU time of the process, the best round counts. Without Go it says so and measures ours alone.
Run from the root of the checkout: `python tests/bench/bench_cel.py`. Exits 1 when a target is missed.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from policies.cel.budget import Budget
from policies.cel.environment import Environment
from policies.cel.program import Compiler, Program
from policies.cel.tagged import same, tagged
from policies.checking import creation
from policies.native import kyverno
from policies.native.evaluation import Run
from policies.native.kyverno import KyvernoPolicy, KyvernoValidatingPolicy
from policies.snapshot import MemorySnapshot
from tests.bench.cel_samples import EXPRESSIONS, bindings, pod
from tests.cluster.bed.build import BuildError
from tests.policies.cel.oracle.peer import Peer

Json = dict[str, Any]

ROUNDS = 40  # short ones, so that some are undisturbed
EVALUATIONS = 100  # in a round
COMPILATIONS = 5
COMPILATION_ROUNDS = 10
IMPORTS = 9
MANY = 100  # policies to compile
CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "kyverno-policies"
BASELINE = "asyncio"  # a package of the standard library that everybody has waited for

NINE = 0.5  # of the API server's time for all nine
SIXTEEN = 150.0  # microseconds for the pod-security policies on one Pod, variables included
HUNDRED = 1.0  # seconds to compile a hundred policies
IMPORT = 40.0  # milliseconds

UNBOUND = 2**62
missed: list[str] = []


def best(call: Callable[[], object], calls: int) -> float:
    """Microseconds of one call in one round."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls * 1e6


def line(name: str, ours: float, theirs: float | None = None, unit: str = "us") -> None:
    ratio = f"{theirs:11.2f}  x {ours / theirs:.2f}" if theirs else ""
    print(f"{name:<44}{ours:10.2f} {unit:<2}{ratio}", flush=True)


def target(name: str, found: float, limit: float) -> None:
    """Say whether a target is met, and remember it if not."""
    if found > limit:
        missed.append(name)
    print(f"  target {limit:g}: {'ok' if found <= limit else 'MISSED'}", flush=True)


# nine expressions


def nine(peer: Peer | None) -> None:
    """A line for each expression and for all of them."""
    values, environment, compiler = bindings(), Environment.admission(), Compiler()
    if peer is not None:
        peer.answer(mode="keep", name="request", bindings=values)
    print(f"nine expressions over a Deployment of {size(values['object'])} bytes")
    sums, compiling = [0.0, 0.0], [0.0, 0.0]
    for name, source in EXPRESSIONS.items():
        program = compiler.compile(source, environment)
        agree(program, values, peer, source)
        ours, theirs = measured(program, values, peer, source)
        line(f"  {name}", ours, theirs)
        sums = [sums[0] + ours, sums[1] + (theirs or 0.0)]
        rounds = range(COMPILATION_ROUNDS)
        compiling[0] += min(best(lambda: compiler.compile(source, environment), COMPILATIONS) for _ in rounds)  # noqa: B023
        if peer is not None:
            asked: Json = {"expr": source, "count": COMPILATIONS, "rounds": COMPILATION_ROUNDS}
            compiling[1] += peer.answer(mode="bench-compile", **asked)["ns"] / 1e3
    line("evaluate all nine", sums[0], sums[1])
    if peer is not None:
        target("nine expressions", sums[0] / sums[1], NINE)
    line("compile all nine", compiling[0], compiling[1])


def measured(program: Program, values: Json, peer: Peer | None, source: str) -> tuple[float, float | None]:
    """Microseconds of ours and of the API server's, each in its best round."""
    ours, theirs = float("inf"), float("inf")
    for _ in range(ROUNDS):
        ours = min(ours, best(lambda: program.evaluate(values, Budget()), EVALUATIONS))
        if peer is not None:
            theirs = min(theirs, peer.answer(mode="bench", expr=source, use="request", count=EVALUATIONS)["ns"] / 1e3)
    return ours, theirs if peer is not None else None


def agree(program: Program, values: Json, peer: Peer | None, source: str) -> None:
    """Stop where the two have not the same answer: a fast wrong one is worth nothing."""
    for _ in range(3):  # the first evaluations of a program go another way than those that follow
        budget = Budget()
        value = program.evaluate(values, budget)
        if value is not True:
            raise SystemExit(f"`{source}` is {value!r}; it shall hold, so that all of it is evaluated")
        if peer is None:
            return
        answer = peer.answer(expr=source, use="request")
        if not same(tagged(value), answer.get("val", {"t": "error"})) or budget.spent != answer["cost"]:
            raise SystemExit(f"`{source}`: ours {value!r}, cost {budget.spent}; theirs {answer}")


def size(value: Json) -> int:
    return len(json.dumps(value, separators=(",", ":")))


# pod security


def documents(folder: Path) -> Iterator[Json]:
    """The policies in a folder's YAML files."""
    for path in sorted(folder.rglob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            for found in yaml.safe_load_all(file):
                if isinstance(found, dict) and kyverno.is_kyverno(found):
                    yield found


def sixteen(peer: Peer | None) -> None:
    """The pod-security policies on one Pod: the expressions beside the API server's, then all that Kyverno would do."""
    manifests = list(documents(CORPUS / "pod-security-vpol"))
    policies = [policy for policy in kyverno.read(manifests) if isinstance(policy, KyvernoValidatingPolicy)]
    values: Json = {"object": pod(), "oldObject": None, "params": None, "namespaceObject": None, "request": {}}
    print(f"\n{len(policies)} pod-security policies over a Pod of {size(values['object'])} bytes")
    if not all(policy_holds(policy, values) for policy in policies):
        raise SystemExit("a policy doesn't hold; all shall, so that all of each is evaluated")
    ours, theirs = float("inf"), None
    for _ in range(ROUNDS):
        ours = min(ours, best(lambda: [policy_holds(policy, values) for policy in policies], EVALUATIONS // 10))
    if peer is not None:
        peer.answer(mode="keep", name="pod", bindings=values)
        theirs = sum(api_server(peer, manifest["spec"]) for manifest in manifests)
    line("evaluate all, variables included", ours, theirs)
    target("pod-security policies", ours, SIXTEEN)
    request, snapshot = creation(values["object"], "default"), MemorySnapshot.of([NAMESPACE])
    judged = min(best(lambda: kyverno.judge(policies, request, snapshot), EVALUATIONS // 10) for _ in range(ROUNDS))
    line("judge all: matching, evaluation, verdicts", judged)


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "inference"}}


def policy_holds(policy: KyvernoValidatingPolicy, values: Json) -> bool:
    """All validations of a policy, with variables of their own, as the product evaluates them."""
    run = Run(values, policy.variables, UNBOUND)
    return all(run.evaluate(validation.expression) is True for validation in policy.validations)


def api_server(peer: Peer, spec: Json) -> float:
    """Microseconds of a policy's validations there. Each has variables of its own."""
    asked = {"mode": "bench", "use": "pod", "variables": spec.get("variables", []), "count": EVALUATIONS}
    total = 0.0
    for validation in spec["validations"]:
        asked["expr"] = validation["expression"]
        total += min(float(peer.answer(**asked)["ns"]) for _ in range(ROUNDS // 4)) / 1e3
    return total


# a hundred policies


def hundred() -> None:
    """Read and compile many policies, and what they then take of memory."""
    found = list(documents(CORPUS))
    manifests = [copy.deepcopy(found[number % len(found)]) for number in range(MANY)]
    for number, manifest in enumerate(manifests):
        manifest["metadata"]["name"] += f"-{number}"
    programs = sum(map(len, map(programs_of, kyverno.read(manifests))))
    print(f"\n{MANY} policies with {programs} expressions")
    taken = min(best(lambda: kyverno.read(manifests), 1) for _ in range(3)) / 1e6
    line("read and compile all", taken, unit="s")
    target("a hundred policies", taken, HUNDRED)
    gc.collect()
    tracemalloc.start()
    policies = kyverno.read(manifests)
    memory("memory of a compiled policy", policies)
    for policy in policies:
        for program in programs_of(policy):
            evaluated(program)
    memory("memory of one that was evaluated", policies)
    tracemalloc.stop()


def memory(name: str, policies: Sequence[KyvernoPolicy]) -> None:
    gc.collect()
    line(name, tracemalloc.get_traced_memory()[0] / len(policies) / 1024, unit="KB")


def programs_of(policy: KyvernoPolicy) -> list[Program]:
    validations = policy.validations if isinstance(policy, KyvernoValidatingPolicy) else ()
    conditions = [condition.expression for condition in policy.conditions]
    return [*policy.variables.values(), *conditions, *(validation.expression for validation in validations)]


def evaluated(program: Program) -> None:
    """Bring a program to where it stays: the outcome doesn't matter."""
    for _ in range(3):
        Run({"object": {}, "request": {}}, {}, UNBOUND).evaluate(program)


# import


def imported(module: str, bytecode: str) -> float:
    """Milliseconds of CPU that a fresh process spends on importing a module, its bytecode at hand as if installed."""
    code = f"import time; t = time.process_time(); import {module}; print((time.process_time() - t) * 1e3)"
    settings = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings)
    return float(done.stdout)


def importing() -> None:
    with tempfile.TemporaryDirectory() as bytecode:
        rounds = [(imported("policies.cel", bytecode), imported(BASELINE, bytecode)) for _ in range(IMPORTS)]
    ours, theirs = min(ours for ours, _ in rounds), min(theirs for _, theirs in rounds)
    print(f"\nimport, beside that of {BASELINE}")
    line("import policies.cel", ours, theirs, unit="ms")
    target("import", ours, IMPORT)


def main() -> int:
    """Print ours, the API server's and the ratio; 1 when a target is missed."""
    print(f"{'':<44}{'ours':>10}    {'API server':>10}")
    try:
        with Peer.built() as peer:
            nine(peer)
            sixteen(peer)
    except BuildError as error:
        print(f"the API server's CEL can't be had: {error}")
        nine(None)
        sixteen(None)
    hundred()
    importing()
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
