"""ModelProvenance: what a model reference stands for, and the evidence about it. Evidence is verified on every read."""

from typing import Annotated, ClassVar, Literal

from annotated_types import Len

from policies.kinds.part import Part, Rule, exactly_one
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import Glob, Items, Text, described, listed, required

Digest = Annotated[
    str,
    Text(
        "a digest, `sha256:`, `sha512:` or `dirhash:` and its hex digits",
        "sha256:" + "0" * 64,
        pattern=r"^((sha256|dirhash):[0-9a-f]{64}|sha512:[0-9a-f]{128})$",
        most=135,
    ),
]
Revision = Annotated[
    str,
    Text("a commit of 40 hex digits in lower case", pattern=r"^[0-9a-f]{40}$", most=40),
]
Pinned = Annotated[
    str,
    Text(
        "a reference pinned by digest",
        "registry.example.eu/evidence@sha256:" + "0" * 64,
        pattern=r"^[^@ \t\n\f\r]+@sha256:[0-9a-f]{64}$",
        most=1024,
    ),
]
Bundle = Annotated[
    str,
    Text("the bundle's JSON text", pattern=r"^[ \t\n\r]*\{", most=524288),
]


class Model(Part):
    """A model and the content that its reference stands for."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("digest", "revision"),)

    reference: Glob = required("The reference as workloads write it, for example `hf://org/model`.")
    digest: Digest | None = described("The digest of its content.")
    revision: Revision | None = described("The commit of its repository.")


class Evidence(Part):
    """One piece of evidence, here or in a registry."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("bundle", "ref"),)

    type: Literal["sigstore", "oms", "in-toto", "vsa"] = required(
        "A Sigstore bundle, an OpenSSF Model Signing bundle, an in-toto attestation, or a verification summary."
    )
    bundle: Bundle | None = described("The bundle itself, as JSON text.")
    ref: Pinned | None = described("Where the bundle is, pinned by digest.")


class ModelProvenanceSpec(Part):
    """A model and the evidence about it."""

    model: Model = required("The model.")
    evidence: Annotated[Items[Evidence], Len(0, 32)] = listed("The evidence about it.")


class ModelProvenance(Resource):
    """What a model reference stands for, and the evidence about it."""

    registration: ClassVar[Registration] = Registration(
        plural="modelprovenances",
        short="mprov",
        summary="A ModelProvenance ties a model reference to its content and carries evidence about it, which is "
        "verified again on every read.",
        namespaced=True,
        columns=(
            Column("Model", ".spec.model.reference"),
            Column("Digest", ".spec.model.digest", wide=True),
            Column("Revision", ".spec.model.revision", wide=True),
            Column("Evidence", ".spec.evidence[*].type"),
        ),
    )

    spec: ModelProvenanceSpec = required("The model and the evidence about it.")
