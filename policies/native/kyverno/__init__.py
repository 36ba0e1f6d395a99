"""Kyverno's ValidatingPolicy and MutatingPolicy (policies.kyverno.io), the part of them that is plain CEL.

`read` makes policies of manifests; `judge` gives verdicts in Kyverno's words, `mutate` the changed object.
"""

from policies.native.kyverno.evaluation import judge, mutate
from policies.native.kyverno.model import (
    KyvernoMutatingPolicy,
    KyvernoPolicy,
    KyvernoValidatingPolicy,
    Mutated,
    Result,
    Verdict,
)
from policies.native.kyverno.reading import is_kyverno, read

__all__ = [
    "KyvernoMutatingPolicy",
    "KyvernoPolicy",
    "KyvernoValidatingPolicy",
    "Mutated",
    "Result",
    "Verdict",
    "is_kyverno",
    "judge",
    "mutate",
    "read",
]
