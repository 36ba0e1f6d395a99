"""SovereigntyPolicy: a ValidatingAdmissionPolicy's words, and what sovereignty adds to them."""

from typing import Annotated, ClassVar, Literal

from annotated_types import Len
from pydantic import Field

from policies.kinds.part import Part, Raw, Rule, star_alone
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import (
    Code,
    DnsLabel,
    Expression,
    Items,
    LabelName,
    Labels,
    LabelValue,
    Line,
    ObjectName,
    QualifiedName,
    Sentence,
    Text,
    Unique,
    described,
    listed,
    mapped,
    required,
)

ApiGroup = Annotated[
    str,
    Text(
        'an API group, `""` for the core group, or `*`',
        "apps",
        pattern=r"^(\*|[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$",
        most=253,
    ),
]
ApiVersion = Annotated[
    str,
    Text("the version of an API group, or `*`", "v1", pattern=r"^(\*|[a-z][-a-z0-9]{0,62})$", most=63),
]
ResourceName = Annotated[
    str,
    Text(
        "the plural name of a resource in lower case, `resource/subresource`, or `*`",
        "deployments",
        pattern=r"^(\*|[a-z][-a-z0-9]{0,62})(/(\*|[a-z][-a-z0-9]{0,62}))?$",
        most=127,
    ),
]
VariableName = Annotated[
    str,
    Text("a CEL identifier", "gpuPods", pattern=r"^[_a-zA-Z][_a-zA-Z0-9]*$", most=128),
]
AnnotationKey = Annotated[
    str,
    Text(
        "an annotation key without prefix, at most 63 characters",
        "place",
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        most=63,
    ),
]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]
Action = Literal["Deny", "Warn", "Audit"]


class ResourceRule(Part):
    """Which requests: all of groups, versions, operations and resources must match."""

    rules: ClassVar[tuple[Rule, ...]] = tuple(map(star_alone, ("apiGroups", "apiVersions", "operations")))

    api_groups: Annotated[Items[ApiGroup], Len(1, 64), Unique()] = required(
        'API groups, `""` for the core group; `*` for all.'
    )
    api_versions: Annotated[Items[ApiVersion], Len(1, 64), Unique()] = required("API versions; `*` for all.")
    operations: Annotated[Items[Operation], Len(1, 8), Unique()] = required("Operations; `*` for all.")
    resources: Annotated[Items[ResourceName], Len(1, 256), Unique()] = required(
        "Plural resource names; `pods/exec` is a subresource, `*` all resources, `pods/*` all subresources of pods, "
        "`*/*` everything."
    )
    scope: Literal["*", "Namespaced", "Cluster"] = Field(
        default="*", description="Only resources with this scope; `*` for both."
    )
    resource_names: Annotated[Items[ObjectName], Len(0, 256), Unique()] = listed(
        "Only objects of these names; all when empty."
    )


def _values_fit(requirement: Raw) -> bool:
    return bool(requirement.get("values")) == (requirement["operator"] in ("In", "NotIn"))


class LabelRequirement(Part):
    """One expression of a label selector."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("values", "operator"),
            "`values` with In and NotIn, none with Exists and DoesNotExist",
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            _values_fit,
        ),
    )

    key: QualifiedName = required("The label key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = required("How the label is compared with the values.")
    values: Annotated[Items[LabelValue], Len(0, 256), Unique()] = listed("The values, for In and NotIn.")


class LabelSelector(Part):
    """A label selector as Kubernetes has it: all of it must match; an empty one matches everything."""

    match_labels: Labels = mapped("Labels and their values.")
    match_expressions: Annotated[Items[LabelRequirement], Len(0, 64)] = listed("Expressions over labels.")


class MatchConstraints(Part):
    """Which requests a policy concerns."""

    resource_rules: Annotated[Items[ResourceRule], Len(1, 64)] = required("A request must match one of these.")
    exclude_resource_rules: Annotated[Items[ResourceRule], Len(0, 64)] = listed("A request must match none of these.")
    namespace_selector: LabelSelector | None = described("Only in namespaces whose labels match.")
    object_selector: LabelSelector | None = described("Only objects whose labels match, the new or the old one.")
    match_policy: Literal["Equivalent", "Exact"] = Field(
        default="Equivalent",
        description="Equivalent: a rule for one version of a resource covers its other versions too. Exact: only that.",
    )


class MatchCondition(Part):
    """A further condition; the policy concerns a request only when all of them are true."""

    name: QualifiedName = required("A name, unique in the policy.")
    expression: Expression = required("A CEL expression giving a bool.")


class Variable(Part):
    """A value computed once and used by expressions as `variables.<name>`."""

    name: VariableName = required("A CEL identifier, unique in the policy.")
    expression: Expression = required("A CEL expression; it can use the variables listed before it.")


def _message_for_lines(validation: Raw) -> bool:
    told = validation.get("message") is not None or validation.get("messageExpression") is not None
    return told or "\n" not in validation["expression"].strip()


class Validation(Part):
    """Something that must hold."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("expression", "message", "messageExpression"),
            "a `message` or `messageExpression`, because the expression has several lines",
            "has(self.message) || has(self.messageExpression) || !self.expression.trim().contains('\\n')",
            _message_for_lines,
        ),
    )

    for_each: Expression | None = described(
        "A CEL expression giving a list. The validation is judged once for each item, which expressions see as `item`; "
        "the item's `path` goes into the message."
    )
    expression: Expression = required("A CEL expression giving a bool: true when the request is as it should be.")
    message: Line | None = described("What is wrong when the expression is false, in one line.")
    message_expression: Expression | None = described(
        "A CEL expression giving the message. When it fails, `message` is used."
    )
    reason: Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"] = Field(
        default="Invalid", description="The reason in the API server's answer."
    )
    code: Code = Field(default="policy-violated", description="The stable reason code that records and exports carry.")
    remediation: Sentence | None = described("What to change; the code's own advice when left out.")


class Patch(Part):
    """The expression of a mutation."""

    expression: Expression = required("A CEL expression giving the change.")


def _patch_fits(mutation: Raw) -> bool:
    present = [field for field in ("jsonPatch", "applyConfiguration") if mutation.get(field) is not None]
    return present == ["jsonPatch" if mutation["patchType"] == "JSONPatch" else "applyConfiguration"]


class Mutation(Part):
    """A correction, made before validations are judged."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("patchType", "jsonPatch", "applyConfiguration"),
            "`jsonPatch` for patchType JSONPatch, `applyConfiguration` for patchType ApplyConfiguration, never both",
            "self.patchType == 'JSONPatch' ? has(self.jsonPatch) && !has(self.applyConfiguration)"
            " : has(self.applyConfiguration) && !has(self.jsonPatch)",
            _patch_fits,
        ),
    )

    name: DnsLabel = required("A name, unique in the policy.")
    patch_type: Literal["JSONPatch", "ApplyConfiguration"] = required("Which of the two kinds of change this is.")
    json_patch: Patch | None = described("A CEL expression giving a list of JSONPatch operations.")
    apply_configuration: Patch | None = described(
        "A CEL expression giving an Object that is merged as in server-side apply."
    )


class AuditAnnotation(Part):
    """A value that is written into the record of every decision of this policy."""

    key: AnnotationKey = required("The annotation's key, unique in the policy.")
    value_expression: Expression = required("A CEL expression giving a string, or null for no annotation.")


def _does_something(spec: Raw) -> bool:
    return any(spec.get(field) for field in ("validations", "mutations", "auditAnnotations"))


class SovereigntyPolicySpec(Part):
    """What the policy concerns, what must hold there, and what happens when it doesn't."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("validations", "mutations", "auditAnnotations"),
            "at least one of `validations`, `mutations`, `auditAnnotations`",
            " || ".join(
                f"(has(self.{field}) && self.{field}.size() > 0)"
                for field in ("validations", "mutations", "auditAnnotations")
            ),
            _does_something,
            "a policy that asks for nothing guards nothing",
        ),
        Rule(
            ("validationActions",),
            "`Deny` or `Warn`, not both",
            "!(self.validationActions.exists(x, x == 'Deny') && self.validationActions.exists(x, x == 'Warn'))",
            lambda spec: not {"Deny", "Warn"} <= set(spec.get("validationActions") or ()),
            "a denial already tells the user why",
        ),
    )

    match_constraints: MatchConstraints = required("Which requests the policy concerns.")
    match_conditions: Annotated[Items[MatchCondition], Len(0, 64), Unique("name")] = listed(
        "Further conditions; all must be true for the policy to concern a request."
    )
    data_classes: Annotated[Items[LabelName], Len(0, 64), Unique()] = listed(
        "Only namespaces of these data classes; all when empty."
    )
    variables: Annotated[Items[Variable], Len(0, 128), Unique("name")] = listed(
        "Values computed once, in this order, for all expressions."
    )
    validations: Annotated[Items[Validation], Len(0, 128)] = listed("What must hold. All failures are reported.")
    mutations: Annotated[Items[Mutation], Len(0, 64), Unique("name")] = listed("Corrections, made in this order.")
    audit_annotations: Annotated[Items[AuditAnnotation], Len(0, 20), Unique("key")] = listed(
        "Values written into the record."
    )
    infrastructure_namespaces: Literal["Exempt", "Judged"] = Field(
        default="Exempt",
        description="Whether requests in infrastructure namespaces are validated too. While the webhook can't be "
        "reached they pass in any case, so that a cluster can be mended.",
    )
    failure_policy: Literal["Fail", "Ignore"] = Field(
        default="Fail",
        description="What happens when the policy can't be judged or the decision can't be recorded: "
        "Fail denies; Ignore allows with a warning.",
    )
    validation_actions: Annotated[Items[Action], Len(1, 2), Unique()] = Field(
        default=("Deny",), description="What a validation that doesn't hold leads to. Deny and Warn exclude each other."
    )
    controls: Annotated[Items[Line], Len(0, 64), Unique()] = listed(
        "The controls that the policy serves, for example `GDPR:44-49`."
    )
    remediation: Sentence | None = described("What to do about a violation, when the validation doesn't say it.")


class SovereigntyPolicy(Resource):
    """A rule about where AI workloads may run, beside which data, on which devices, with which models and keys."""

    registration: ClassVar[Registration] = Registration(
        plural="sovereigntypolicies",
        short="svp",
        summary="A SovereigntyPolicy corrects and judges requests by CEL expressions over facts about workloads, "
        "places, data classes and jurisdictions.",
        columns=(
            Column("Actions", ".spec.validationActions"),
            Column("Failure", ".spec.failurePolicy"),
            Column("Classes", ".spec.dataClasses"),
            Column("Controls", ".spec.controls", wide=True),
        ),
    )

    spec: SovereigntyPolicySpec = required("What the policy asks for.")
