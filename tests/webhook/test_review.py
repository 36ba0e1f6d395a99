import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.request import GroupKind, Operation, Request, Resource
from tests.webhook.reviews import encoded, recorded, review
from webhook.reviews.review import ReviewMalformed, parse_review

RECORDED = recorded()
MALFORMED = {
    "body-empty": b" \n",
    "truncated": encoded()[:-20],
    "not-utf8": encoded().replace(b"vllm", b"vl\xffm"),
    "not-json": encoded() + b"}",
    "not-a-number": encoded().replace(b'"dryRun":false', b'"dryRun":NaN'),
    "number-too-large": encoded().replace(b'"dryRun":false', b'"dryRun":1e999'),
    "too-deep": encoded().replace(b'"dryRun":false', b'"dryRun":' + b"[" * 10_000 + b"]" * 10_000),
    "not-a-review": b"[]",
    "version-unsupported": encoded().replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
    "kind-unsupported": encoded().replace(b'"AdmissionReview"', b'"ConversionReview"'),
    "request-missing": orjson.dumps(review() | {"request": None}),
    "uid-missing": encoded(uid=""),
    "operation-unknown": encoded(operation="PATCH"),
    "object-missing": encoded(object=None),
    "old-object-missing": encoded(operation="UPDATE"),
    "kind-missing": encoded(kind={"group": "apps", "version": "v1"}),
    "resource-missing": encoded(resource=None),
    "field-mistyped": encoded(userInfo={"username": "anna", "groups": "tenants"}),
}


@pytest.mark.parametrize("reason", MALFORMED)
def test_malformed(reason: str) -> None:
    """Each way of being no review has a reason of its own, and a message that says where."""
    with pytest.raises(ReviewMalformed) as caught:
        parse_review(MALFORMED[reason])
    assert caught.value.reason == reason
    assert caught.value.message[:1].islower() or caught.value.message.startswith(("`", "an ", "JSON"))


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "Infinity"])
@pytest.mark.parametrize("place", ['{"a":%s}', "[%s]", '{"a": [1, %s]}'])
def test_no_number(number: str, place: str) -> None:
    """A number that JSON lacks is called by its name, wherever it stands where a value may stand."""
    with pytest.raises(ReviewMalformed, match=f"`{number}`"):
        parse_review((place % number).encode())


def test_v1beta1() -> None:
    """The older version is refused by its name, with what to register instead."""
    with pytest.raises(ReviewMalformed, match=r"v1beta1.*admissionReviewVersions: \[v1\]"):
        parse_review(MALFORMED["version-unsupported"])


@given(st.binary(max_size=200) | st.builds(lambda cut: encoded()[:cut], st.integers(0, 600)))
def test_total_over_bytes(body: bytes) -> None:
    """Any bytes give a request or ReviewMalformed, nothing else."""
    try:
        assert isinstance(parse_review(body), Request)
    except ReviewMalformed as bad:
        assert bad.reason


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.sampled_from(sorted(review()["request"])), _VALUES)
def test_total_over_fields(name: str, value: object) -> None:
    """Whatever stands in a field, there is a request or a reason."""
    try:
        request = parse_review(orjson.dumps(review() | {"request": review()["request"] | {name: value}}))
    except ReviewMalformed as bad:
        assert bad.message
    else:
        assert isinstance(request.user, dict)
        assert isinstance(request.namespace, str)


def test_fields() -> None:
    """Everything that the rules ask of a request is there, and the object is what the parser made."""
    request = parse_review(encoded(subResource="scale", dryRun=True))
    assert (request.operation, request.subresource, request.dry_run) == (Operation.CREATE, "scale", True)
    assert (request.kind, request.resource) == (
        GroupKind("apps", "v1", "Deployment"),
        Resource("apps", "v1", "deployments"),
    )
    assert (request.namespace, request.name, request.user["username"]) == ("inference", "vllm", "anna@example.org")
    assert request.object is request.review["object"]
    assert request.options == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}


def test_absent_fields() -> None:
    """A cluster-scoped object without a subresource or dryRun has empty ones."""
    asked = review()["request"]
    for name in ("namespace", "name", "dryRun", "options", "oldObject", "userInfo"):
        del asked[name]
    request = parse_review(orjson.dumps(review() | {"request": asked}))
    assert (request.namespace, request.name, request.dry_run, request.options, request.user) == (
        "",
        "",
        False,
        None,
        {},
    )


def test_delete() -> None:
    """A DELETE is about the object that goes."""
    request = parse_review(encoded(operation="DELETE", object=None, oldObject={"kind": "Deployment"}))
    assert request.subject == {"kind": "Deployment"}


@pytest.mark.parametrize("scene", RECORDED)
def test_recorded(scene: str) -> None:
    """What a real API server sends can be read, all of it."""
    body = RECORDED[scene]
    request = parse_review(body)
    asked = orjson.loads(body)["request"]
    assert request.uid == asked["uid"]
    assert request.operation.value == asked["operation"]
    assert request.object == asked["object"]
    assert request.old_object == asked["oldObject"]
    assert request.subresource == asked.get("subResource", "")


def test_recorded_are_there() -> None:
    """The recorded reviews belong to the repository: without them the test above would prove nothing."""
    assert {"pod-binding", "pod-exec", "pod-delete", "secret-create"} <= set(RECORDED)
