"""TrustPolicy: whose evidence about models counts, and for which models."""

from typing import Annotated, ClassVar

from annotated_types import Len

from policies.kinds.part import Part, Raw, Rule
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import Country, DnsLabel, Glob, Items, Text, Unique, listed, required

_PEM = r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/= \t\n\f\r]+-----END PUBLIC KEY-----[ \t\n\f\r]*"
_VKEY = r"[^+ \t\n\f\r]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}"

PublicKey = Annotated[
    str,
    Text("a public key in PEM or a verifier key `<name>+<hash>+<base64>`", pattern=rf"^({_PEM}|{_VKEY})$", most=4096),
]


class Publisher(Part):
    """Somebody who publishes models, known by their keys and never by what a package says of itself."""

    name: DnsLabel = required("A name, unique in the policy.")
    keys: Annotated[Items[PublicKey], Len(1, 16)] = required("Public keys, in PEM or as verifier keys.")
    jurisdiction: Country = required("The country whose law the publisher is under.")


class ModelTrust(Part):
    """Whose evidence counts for some models."""

    pattern: Glob = required("References of models; `*` stands for anything.")
    publishers: Annotated[Items[DnsLabel], Len(1, 32), Unique()] = required("Names of publishers of this policy.")


def _publishers_known(spec: Raw) -> bool:
    known = {publisher["name"] for publisher in spec.get("publishers") or ()}
    return all(set(model["publishers"]) <= known for model in spec.get("models") or ())


class TrustPolicySpec(Part):
    """Publishers, and the models that each may speak for."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("models", "publishers"),
            "`publishers` of every model to be among `spec.publishers`",
            "!has(self.models) || self.models.all(m, m.publishers.all(p, self.publishers.exists(q, q.name == p)))",
            _publishers_known,
        ),
    )

    publishers: Annotated[Items[Publisher], Len(1, 64), Unique("name")] = required("Whose evidence can count.")
    models: Annotated[Items[ModelTrust], Len(0, 64), Unique("pattern")] = listed("For which models it counts.")


class TrustPolicy(Resource):
    """Whose evidence about models counts."""

    registration: ClassVar[Registration] = Registration(
        plural="trustpolicies",
        short="trust",
        summary="A TrustPolicy says by which keys publishers of models are known, under which law they are, and for "
        "which models their evidence counts.",
        columns=(
            Column("Publishers", ".spec.publishers[*].name"),
            Column("Models", ".spec.models[*].pattern", wide=True),
        ),
    )

    spec: TrustPolicySpec = required("Publishers, and the models that each may speak for.")
