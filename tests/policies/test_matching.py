"""Which requests a policy concerns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.deciding.matching import Index, Match, Rule, Selector, key_of
from policies.request import GroupKind, Operation, Request, Resource


def rule(groups="apps", versions="v1", operations="CREATE", resources="deployments", **more):
    return Rule(*(frozenset(words.split() or [""]) for words in (groups, versions, operations, resources)), **more)


def request(
    resource="apps/v1/deployments", operation="CREATE", namespace="n", subresource="", kind="Deployment", **more
):
    group, version, plural = resource.split("/")
    return Request(
        "u",
        Operation(operation),
        GroupKind(group, version, kind),
        Resource(group, version, plural),
        subresource,
        namespace,
        **more,
    )


def covered(rule, request):
    return Match((rule,)).about(key_of(request)).fits(request)


@pytest.mark.parametrize(
    ("rule", "request_", "expected"),
    [
        (rule(), request(), True),
        (rule(), request("batch/v1/deployments"), False),
        (rule(), request(operation="UPDATE"), False),
        (rule(versions="v2"), request(), True),
        (rule(versions="v2", equivalent=False), request(), False),
        (rule("*", "*", "*", "*"), request(), True),
        (rule("*", "*", "*", "*"), request(subresource="scale"), False),
        (rule("*", "*", "*", "*/*"), request(subresource="scale"), True),
        (rule("*", "*", "*", "*/*"), request(), True),
        (rule(resources="deployments/*"), request(), False),
        (rule(resources="deployments/*"), request(subresource="status"), True),
        (rule(resources="*/scale"), request(subresource="scale"), True),
        (rule(resources="deployments/scale"), request(subresource="status"), False),
        (rule(scope="Namespaced"), request(namespace=""), False),
        (rule(scope="Cluster"), request(), False),
        (rule(scope="Cluster"), request(namespace=""), True),
        (rule("", resources="namespaces", scope="Cluster"), request("/v1/namespaces", kind="Namespace"), True),
        (rule("", resources="namespaces", scope="Namespaced"), request("/v1/namespaces", kind="Namespace"), False),
        (rule(names=frozenset({"a"})), request(name="a"), True),
        (rule(names=frozenset({"a"})), request(name="b"), False),
    ],
)
def test_a_rule_covers_what_the_api_server_says_it_covers(rule, request_, expected):
    """Groups, versions, operations, resources, subresources, scope and names count as in a webhook's rules."""
    assert covered(rule, request_) is expected


def test_an_excluded_rule_wins():
    """What excludeResourceRules cover is not matched, whatever resourceRules say."""
    match = Match((rule("*", "*", "*", "*"),), (rule(),))
    assert not match.about(key_of(request())).fits(request())
    assert match.about(key_of(request("batch/v1/jobs"))).fits(request("batch/v1/jobs"))


@given(st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")))
def test_in_and_not_in_are_opposites_where_the_label_is_there(labels):
    """NotIn also matches where the label is missing; In never does."""
    inside = Selector.of({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]}).matches(labels)
    outside = Selector.of({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}).matches(labels)
    assert inside is not outside


def test_an_object_selector_takes_the_new_or_the_old_object():
    """An update that drops the label is still seen by the policy that selected the object."""
    match = Match((rule(),), objects=Selector.of({"matchLabels": {"team": "a"}}))
    labelled, bare = {"metadata": {"labels": {"team": "a"}}}, {"metadata": {}}
    assert match.selects_object(request(object=bare, old_object=labelled))
    assert match.selects_object(request(object=labelled))
    assert not match.selects_object(request(object=bare))


def test_candidates_keep_the_order_and_are_remembered():
    """The index gives the policies that may match, in the order given, the second time from memory."""
    index = Index([(Match((rule(),)), "a"), (Match((rule("batch"),)), "b"), (Match((rule("*"),)), "c")])
    key = key_of(request())
    assert [name for _, name in index.candidates(key)] == ["a", "c"]
    assert index.candidates(key) is index.candidates(key)
