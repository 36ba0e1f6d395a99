"""The decision: total, deterministic, everything reported, unknown never allowed."""

import copy
import gc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.checking import creation
from policies.decision import Action, Decision, Needs, Verdict
from policies.patch import apply
from policies.request import Phase
from policies.rulebook import RulesInvalid
from policies.snapshot import Absent, Answer, Lookup, MemorySnapshot, Ref
from tests.policies.law import EU, engine_under, namespace, ours, profile

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAMESPACE = namespace("clinic")


def policy(name="p", **spec):
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    spec.setdefault("matchConstraints", {"resourceRules": [rule]})
    return ours("SovereigntyPolicy", name, spec)


def engine(*objects, packs=False):
    return engine_under(EU, profile("eu-central-1", "us-east-1"), *objects, packs=packs)


def pod(**spec):
    container = {"name": "c", "image": "registry.example/c@sha256:" + "a" * 64}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "clinic"},
        "spec": {"containers": [container], **spec},
    }


def decide(engine, found, phase=Phase.FAIL, snapshot=None):
    snapshot = snapshot or MemorySnapshot.of([NAMESPACE])
    return engine.decide(creation(found, "default", "u"), phase, snapshot, NOW)


def test_all_failures_are_reported_and_not_the_first():
    """Two policies with two failing rules each give four reasons."""
    rules = [{"expression": "false", "message": "one"}, {"expression": "false", "message": "two"}]
    decision = decide(engine(policy("a", validations=rules), policy("b", validations=rules)), pod())
    assert [(reason.policy, reason.message) for reason in decision.reasons] == [
        ("a", "one"),
        ("a", "two"),
        ("b", "one"),
        ("b", "two"),
    ]
    assert decision.verdict is Verdict.DENIED


def test_equal_inputs_give_equal_bytes():
    """The same request decided by two engines of the same rules gives the same decision, byte for byte."""
    first, second = (decide(engine(packs=True), pod(), Phase.MUTATE).to_bytes() for _ in range(2))
    assert first == second


def test_an_evaluation_error_denies_under_fail_and_warns_under_ignore():
    """What can't be evaluated is a failure of the rule; the author's Ignore makes a warning of it."""
    broken = [{"expression": "object.spec.nothing.here == 1"}]
    failing = decide(engine(policy(validations=broken)), pod())
    assert (failing.verdict, failing.reasons[0].code) == (Verdict.DENIED, "evaluation-error")
    ignoring = decide(engine(policy(validations=broken, failurePolicy="Ignore")), pod(), Phase.IGNORE)
    assert (ignoring.verdict, ignoring.allowed, len(ignoring.warnings)) == (Verdict.WARNED, True, 1)


def test_each_policy_is_evaluated_behind_exactly_one_validating_door():
    """A Fail policy is silent behind the ignoring door, and the other way round."""
    both = engine(
        policy("a", validations=[{"expression": "false"}]),
        policy("b", validations=[{"expression": "false"}], failurePolicy="Ignore"),
    )
    assert [reason.policy for reason in decide(both, pod()).reasons] == ["a"]
    assert [reason.policy for reason in decide(both, pod(), Phase.IGNORE).reasons] == ["b"]


@pytest.mark.parametrize(
    ("actions", "verdict"), [(["Deny"], Verdict.DENIED), (["Warn"], Verdict.WARNED), (["Audit"], Verdict.ALLOWED)]
)
def test_the_actions_of_a_policy_say_what_a_violation_does(actions, verdict):
    """Deny denies, Warn warns, Audit only records; the reason is there in each case."""
    decision = decide(engine(policy(validations=[{"expression": "false"}], validationActions=actions)), pod())
    assert decision.verdict is verdict
    assert decision.reasons[0].actions == (Action(actions[0]),)


def test_a_false_match_condition_outweighs_a_broken_one():
    """As in the API server: one condition that is false is enough to leave the policy out."""
    conditions = [{"name": "broken", "expression": "object.no.such == 1"}, {"name": "no", "expression": "false"}]
    rules = [{"expression": "false"}]
    assert decide(engine(policy(matchConditions=conditions, validations=rules)), pod()).allowed
    assert not decide(engine(policy(matchConditions=conditions[:1], validations=rules)), pod()).allowed


def test_a_message_expression_that_fails_falls_back():
    """messageExpression, then message, then the expression itself."""
    rules = [
        {"expression": "false", "messageExpression": "'kind ' + object.kind"},
        {"expression": "false", "messageExpression": "string(object.no)", "message": "plain"},
        {"expression": "1 == 2"},
    ]
    messages = [reason.message for reason in decide(engine(policy(validations=rules)), pod()).reasons]
    assert messages == ["kind Pod", "plain", "failed expression: 1 == 2"]


def test_variables_are_evaluated_once_and_only_when_used():
    """A variable that fails fails the rule that uses it, and no other."""
    spec = {
        "variables": [{"name": "bad", "expression": "object.no.such"}, {"name": "good", "expression": "object.kind"}],
        "validations": [{"expression": "variables.good == 'Pod'"}, {"expression": "variables.bad == 1"}],
    }
    decision = decide(engine(policy(**spec)), pod())
    assert [reason.code for reason in decision.reasons] == ["evaluation-error"]


def test_audit_annotations_carry_the_policys_name():
    """What a policy wants to have written down is in the decision, under its own name."""
    spec = {"auditAnnotations": [{"key": "kind", "valueExpression": "object.kind"}]}
    assert decide(engine(policy("who", **spec)), pod()).annotations == (("who/kind", "Pod"),)


def test_for_each_judges_items_one_by_one_with_their_path():
    """Both templates of an object are judged, each by itself, and the reason says which."""
    found = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "l", "namespace": "clinic"},
        "spec": {
            "leaderWorkerTemplate": {
                "leaderTemplate": {"spec": {"containers": [{"name": "a", "image": "a"}]}},
                "workerTemplate": {"spec": {"containers": [{"name": "b", "image": "b"}], "hostPID": True}},
            }
        },
    }
    rules = [{"forEach": "workload.pods", "expression": "!has(item.spec.hostPID)", "message": "no host PID"}]
    reasons = decide(engine(policy(validations=rules)), found).reasons
    assert [reason.path for reason in reasons] == ["spec.leaderWorkerTemplate.workerTemplate"]


def test_what_nobody_knows_is_undetermined_and_never_allowed():
    """A still snapshot without the namespace gives no decision in favour, and says what is missing."""
    decision = decide(engine(packs=True), pod(), snapshot=MemorySnapshot.of([]))
    assert decision.verdict is Verdict.UNDETERMINED
    assert "Namespace `clinic`" in decision.reasons[0].message


def test_what_only_io_can_tell_is_asked_for_and_the_answer_decides():
    """A live snapshot asks for the namespace; with the answer the same call gives the decision."""
    ref = Ref("", "Namespace", "", "clinic")
    live, judge = MemorySnapshot.of([], live=True), engine(packs=True)
    assert decide(judge, pod(), Phase.MUTATE, live) == Needs((Lookup(ref),))
    answered = decide(judge, pod(), Phase.MUTATE, live.with_answers({Lookup(ref): Answer(NAMESPACE)}))
    assert isinstance(answered, Decision)
    assert answered.verdict is Verdict.MUTATED
    gone = decide(judge, pod(), Phase.MUTATE, live.with_answers({Lookup(ref): Answer(Absent())}))
    assert gone.verdict is Verdict.DENIED


def mutation(name, expression):
    patch = {"name": "m", "patchType": "JSONPatch", "jsonPatch": {"expression": expression}}
    return policy(name, mutations=[patch])


def test_mutations_run_by_policy_name_and_see_each_others_results():
    """What b needs of a is there in the second pass at the latest, and the patch leads to the result."""
    label = "!has(object.metadata.labels) ? [JSONPatch{op: 'add', path: '/metadata/labels', value: {'a': '1'}}] : []"
    copied = (
        "has(object.metadata.labels) && !('b' in object.metadata.labels) ?"
        " [JSONPatch{op: 'add', path: '/metadata/labels/b', value: object.metadata.labels.a}] : []"
    )
    for names in (("a", "b"), ("b", "a")):
        decision = decide(engine(mutation(names[0], label), mutation(names[1], copied)), pod(), Phase.MUTATE)
        assert apply(pod(), decision.patch)["metadata"]["labels"] == {"a": "1", "b": "1"}


def test_mutations_that_never_settle_are_refused():
    """Two policies that keep undoing each other are a denial, `mutation-unstable`, and no patch."""

    def put(value):
        return (
            f"has(object.spec.hostname) && object.spec.hostname == '{value}' ? []"
            f" : [JSONPatch{{op: 'add', path: '/spec/hostname', value: '{value}'}}]"
        )

    decision = decide(engine(mutation("a", put("a")), mutation("b", put("b"))), pod(), Phase.MUTATE)
    assert (decision.verdict, decision.patch) == (Verdict.DENIED, ())
    assert {reason.code for reason in decision.reasons} == {"mutation-unstable"}


def test_a_patch_that_does_not_fit_is_a_denial():
    """A mutation that names a path that isn't there corrects nothing and denies."""
    decision = decide(engine(mutation("a", "[JSONPatch{op: 'remove', path: '/spec/no/such'}]")), pod(), Phase.MUTATE)
    assert (decision.verdict, decision.reasons[0].code) == (Verdict.DENIED, "mutation-failed")


def test_a_template_is_judged_as_its_pods_will_be():
    """A Deployment without any constraint holds, because its pods will be constrained; the object isn't patched."""
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "clinic"},
        "spec": {"template": {"spec": pod()["spec"]}},
    }
    judge = engine(packs=True)
    assert decide(judge, deployment, Phase.MUTATE).patch == ()
    decision = decide(judge, deployment)
    assert decision.verdict is Verdict.ALLOWED
    assert decision.summary.places == ("aws.eu-central-1",)
    assert decide(engine(packs=False), deployment).summary.places == ()


def test_every_problem_of_the_rules_is_reported_at_once():
    """Rules that can't be put in force whole are refused with all that is wrong, and where."""
    rules = [
        {"expression": "object.spec ==", "message": "m"},
        {"expression": "workload.podz.size() > 0", "message": "m"},
    ]
    with pytest.raises(RulesInvalid) as refused:
        engine(policy(validations=rules), policy("q", validations=[{"expression": "1 + 1", "message": "m"}]))
    text = "\n".join(refused.value.problems)
    assert len(refused.value.problems) == 3
    assert "validations[0].expression" in text
    assert "podz" in text
    assert "SovereigntyPolicy `q`" in text


def test_what_an_expression_costs_is_bounded():
    """A rule that would run for ever is stopped and counts as a failure."""
    nested = "[0,1,2,3,4,5,6,7,8,9]"
    for name in "abcdefg":
        nested = f"[0,1,2,3,4,5,6,7,8,9].map({name}, {nested})"
    decision = decide(engine(policy(validations=[{"expression": f"{nested}.size() == 0", "message": "m"}])), pod())
    assert [reason.code for reason in decision.reasons] == ["too-complex"]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
KEYS = st.sampled_from(
    [
        "spec",
        "template",
        "containers",
        "affinity",
        "nodeAffinity",
        "nodeSelector",
        "volumes",
        "image",
        "metadata",
        "labels",
        "resources",
        "limits",
    ]
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=20
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["Pod", "Deployment", "Job", "Secret", "Strange"]), values, values, st.sampled_from(list(Phase)))
def test_there_is_a_decision_for_every_object(kind, metadata, spec, phase):
    """Whatever stands in an object, the engine answers, the same twice, and leaves the object as it was."""
    found = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}
    before = copy.deepcopy(found)
    decision = decide(EVERYTHING, found, phase)
    assert isinstance(decision, Decision)
    assert "internal-fault" not in {reason.code for reason in decision.reasons}
    assert decision.to_bytes() == decide(EVERYTHING, found, phase).to_bytes()
    assert found == before


EVERYTHING = engine(packs=True)


def test_an_object_nested_ten_thousand_deep_is_refused_and_not_fatal():
    """Too deep to judge is a denial with its own code."""
    deep: object = "x"
    for _ in range(10_000):
        deep = {"a": deep}
    found = pod(deep=deep)
    assert [reason.code for reason in decide(EVERYTHING, found).reasons] == ["too-complex"]
    assert decide(EVERYTHING, found).verdict is Verdict.DENIED
    assert decide(EVERYTHING, found, Phase.IGNORE).verdict is Verdict.WARNED


@pytest.mark.parametrize("phase", list(Phase))
def test_nothing_of_a_request_outlives_its_decision(phase):
    """What a decision made of a request goes with it at once: no cycle keeps the review for the collector."""
    variables = [{"name": "n", "expression": "object.metadata.name"}]
    own = policy("own", variables=variables, validations=[{"expression": "variables.n != 'q'", "message": "q"}])
    rules = engine(own, packs=True)
    decide(rules, pod(), phase)  # what it remembers, it remembers now
    gc.collect()
    gc.disable()
    try:
        decide(rules, pod(), phase)
        assert gc.collect() == 0
    finally:
        gc.enable()
