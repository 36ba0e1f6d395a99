"""Waiver: a written, approved, expiring permission to fall short of a policy in one namespace."""

from datetime import datetime
from typing import Annotated, ClassVar

from annotated_types import Len

from policies.kinds.part import Part, Raw, Rule, some_of
from policies.kinds.policy import LabelSelector
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import (
    Code,
    Expiry,
    Glob,
    Items,
    Line,
    Moment,
    ObjectName,
    Sentence,
    Text,
    Unique,
    described,
    end_of,
    listed,
    moment,
    required,
)

KindName = Annotated[
    str,
    Text("a kind", "Deployment", pattern=r"^[A-Z][A-Za-z0-9]{0,62}$", most=63),
]
Signature = Annotated[
    str,
    Text("a signature in base64", pattern=r"^[A-Za-z0-9+/]+={0,2}$", most=1024),
]


def _names_something(subject: Raw) -> bool:
    return any(subject.get(field) for field in ("names", "kinds")) or any((subject.get("selector") or {}).values())


class Subject(Part):
    """Which objects of the namespace. What is given must all match; of a list, one item."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("names", "kinds", "selector"),
            "something in at least one of `names`, `kinds`, `selector`",
            "(has(self.names) && self.names.size() > 0) || (has(self.kinds) && self.kinds.size() > 0)"
            " || (has(self.selector) && ("
            "(has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0)"
            " || (has(self.selector.matchExpressions) && self.selector.matchExpressions.size() > 0)))",
            _names_something,
            "a waiver for everything is no waiver: say for which objects",
        ),
    )

    kinds: Annotated[Items[KindName], Len(0, 64), Unique()] = listed("Kinds of objects.")
    names: Annotated[Items[Glob], Len(0, 256), Unique()] = listed("Names of objects; `*` stands for anything.")
    selector: LabelSelector | None = described("Labels of objects.")


def _in_order(approval: Raw) -> bool:
    return moment(approval["issued"]) < moment(approval["expires"])


class SignedApproval(Part):
    """One person's signed vote for exactly this waiver."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("expires", "issued"),
            "`expires` to be after `issued`",
            "timestamp(self.issued) < timestamp(self.expires)",
            _in_order,
        ),
    )

    approver: Line = required("Who approves.")
    signature: Signature = required("The signature over the waiver, in base64.")
    issued: Moment = required("When it was given.")
    expires: Moment = required("When it ends.")


class WaiverSpec(Part):
    """What is waived, for which objects, why, until when, and who approved."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("policies", "codes"),)

    policies: Annotated[Items[ObjectName], Len(0, 64), Unique()] = listed(
        "Policies that are waived; all that give one of `codes`, when left out."
    )
    codes: Annotated[Items[Code], Len(0, 64), Unique()] = listed(
        "Reason codes that are waived; all of `policies`, when left out."
    )
    subject: Subject = required("Which objects of this namespace.")
    justification: Sentence = required("Why, for the person who will ask.")
    expires: Expiry = required("When it ends: a date (the whole day in UTC still counts) or an RFC 3339 time.")
    approvals: Annotated[Items[SignedApproval], Len(0, 16), Unique("approver")] = listed("Who approved it.")

    @property
    def ends(self) -> datetime:
        """The first moment at which the waiver no longer holds."""
        return end_of(self.expires)


class Waiver(Resource):
    """A permission to fall short of a policy, for a while."""

    registration: ClassVar[Registration] = Registration(
        plural="waivers",
        short="waive",
        summary="A Waiver permits objects of its namespace to fall short of policies until it expires, for a stated "
        "reason and with signed approvals.",
        namespaced=True,
        columns=(
            Column("Policies", ".spec.policies"),
            Column("Codes", ".spec.codes"),
            Column("Expires", ".spec.expires"),
            Column("Justification", ".spec.justification", wide=True),
        ),
    )

    spec: WaiverSpec = required("What is waived, for which objects, why, and until when.")
