"""Hosts below fields that may hold anything: unknown kinds, collectors of telemetry, triggers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads import extract

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.from_regex(r"[a-z.:/$@\[\]-]{0,30}"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KINDS = [
    ("example.org/v1", "Nobody"),
    ("opentelemetry.io/v1beta1", "OpenTelemetryCollector"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("opentelemetry.io/v1alpha1", "ClusterObservability"),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
]


def reached(api: str, kind: str, spec: Any) -> dict[str, str]:
    """Where it leads, by path."""
    found = extract({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "spec": spec})["destinations"]
    return {one["path"]: one["host"] or f"{one['provider']}:{one['region']}" for one in found}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"sink": "collector.us-east-1.example.com:4317"}, {"spec.sink": "collector.us-east-1.example.com:4317"}),
        ({"to": [{"at": "collector.example.com:4317"}]}, {"spec.to[0].at": "collector.example.com:4317"}),
        ({"endpoint": "collector.example.com"}, {"spec.endpoint": "collector.example.com"}),
        ({"redisHost": "cache.example.com"}, {"spec.redisHost": "cache.example.com"}),
        ({"brokers": ["a.example.com:9092"]}, {"spec.brokers[0]": "a.example.com:9092"}),
        ({"peer": "203.0.113.7"}, {"spec.peer": "203.0.113.7"}),
        ({"anything": "203.0.113.7:443"}, {"spec.anything": "203.0.113.7:443"}),
        ({"upstream": "s3.us-east-1.amazonaws.com"}, {"spec.upstream": "s3.us-east-1.amazonaws.com"}),
        ({"a.b/c": "https://x.example.com/"}, {'spec["a.b/c"]': "https://x.example.com/"}),
        ({"description": "ask collector.example.com:4317 for more"}, {}),
        ({"anything": "example.com"}, {}),
        ({"version": "1.2.3.4"}, {}),
        ({"podCIDR": "10.244.0.0/16"}, {}),
        ({"endpoint": "otel.ci.svc:4317"}, {}),
        ({"image": {"registry": "docker.io", "name": "x"}, "repository": "registry.example.com:5000/x"}, {}),
        ({"endpoint": "0.0.0.0:4317"}, {}),
        ({"file": "values.yaml", "module": "vllm.entrypoints.openai"}, {}),
        ({"ratio": "1.5:3"}, {}),
    ],
    ids=str,
)
def test_hosts_of_kinds_that_nobody_knows(spec: Any, wanted: dict[str, str]) -> None:
    """By a port, as an address, or by the name of the field; dotted names, sentences and the cluster's are none."""
    assert reached("example.org/v1", "Nobody", spec) == wanted


@pytest.mark.parametrize(
    ("exporters", "wanted"),
    [
        ({"otlp": {"endpoint": "otlp.example.com:4317"}}, {"otlp.endpoint": "otlp.example.com:4317"}),
        ({"otlp": {"endpoint": "tempo.ci.svc:4317"}}, {}),
        ({"otlp/2": {"endpoint": "${env:X}:4317"}}, {"otlp/2.endpoint": "${env:X}:4317"}),
        (
            {"otlphttp": {"traces_endpoint": "https://a.example.com/v1/traces"}},
            {"otlphttp.traces_endpoint": "https://a.example.com/v1/traces"},
        ),
        ({"awsxray": {"region": "us-east-1"}}, {"awsxray": "aws:us-east-1"}),
        ({"awsxray": None}, {"awsxray": "aws:"}),
        ({"datadog": {"api": {"key": "x"}}}, {"datadog": "datadog:"}),
        ({"datadog": {"hostname": "node-1.ci.svc", "api": {"key": "x"}}}, {"datadog": "datadog:"}),
        ({"datadog": {"api": {"site": "datadoghq.eu"}}}, {"datadog.api.site": "datadoghq.eu"}),
        (
            {"elasticsearch": {"endpoints": ["https://es.example.com"]}},
            {"elasticsearch.endpoints[0]": "https://es.example.com"},
        ),
        ({"debug": None, "nop": {}, "file": {"path": "/x"}, "prometheus": {"endpoint": "0.0.0.0:8889"}}, {}),
    ],
    ids=str,
)
def test_exporters_of_collectors(exporters: Any, wanted: dict[str, str]) -> None:
    """Every exporter leads to the hosts in it, in its region or to its vendor, but for those that stay here."""
    found = reached("opentelemetry.io/v1beta1", "OpenTelemetryCollector", {"config": {"exporters": exporters}})
    said = {
        path.removeprefix("spec.config.exporters").removeprefix(".").replace('["', "").replace('"]', ""): host
        for path, host in found.items()
    }
    assert said == wanted


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1])
@given(value=JSON)
def test_whatever_stands_there_is_read(kind: tuple[str, str], value: Any) -> None:
    """Anything in a free-form field gives destinations with a path, and no error."""
    for spec in (value, {"config": value}, {"config": {"exporters": value}}, {"triggers": [{"metadata": value}]}):
        assert all(path.startswith("spec") for path in reached(*kind, spec))


def test_names_that_others_ask_for_are_no_destinations() -> None:
    """The host under which a route is reached is where requests come in."""
    assert reached("route.openshift.io/v1", "Route", {"host": "chat.example.com", "to": {"name": "chat"}}) == {}
