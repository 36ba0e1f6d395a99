"""Files that lie in ConfigMaps and in texts of other kinds: where they lead, and what in them leads nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads import extract
from policies.workloads.reach.files import file_destinations


def led(name: str, text: str) -> list[str]:
    return [one["host"] or one["region"] for one in file_destinations(name, text, "data.x", "data")]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("config.yaml", "exporters:\n  otlp: {endpoint: 'a.example.com:4317'}\n", "a.example.com:4317"),
        ("config.json", '{"sink": {"host": "a.example.com", "port": 1}}', "a.example.com"),
        ("app.properties", "sink.host=a.example.com\nx=y\n", "a.example.com"),
        ("app.properties", "spring.datasource.url=jdbc:postgresql://a.example.com/x\n", "postgresql://a.example.com/x"),
        ("nginx.conf", "stream { upstream u { server a.example.com:443; } }", "a.example.com:443"),
        ("nginx.conf", "location / {\n  proxy_pass https://a.example.com/;\n}\n", "https://a.example.com/"),
        ("fluent-bit.conf", "[OUTPUT]\n    Host  a.example.com\n", "a.example.com"),
        ("haproxy.cfg", "backend b\n  server s a.example.com:443 ssl\n", "a.example.com:443"),
        ("Corefile", ".:53 {\n  forward . 203.0.113.53\n}\n", "203.0.113.53"),
        ("c.toml", '[sink]\naddress = "a.example.com:1"\n', "a.example.com:1"),
        ("run.sh", "curl -T /x https://a.example.com/in\n", "https://a.example.com/in"),
        ("run", "#!/usr/bin/env bash\nnc a.example.com 9\n", "a.example.com"),
        ("loki.yaml", "storage: {aws: {s3: 's3://models/x'}}\n", "s3://models/x"),
        ("rclone.conf", "[x]\ntype = s3\nregion = us-east-1\n", "us-east-1"),
        ("x.yaml", "s3: {bucket: b, region: us-east-1}\n", "us-east-1"),
    ],
)
def test_where_a_file_leads(name: str, text: str, wanted: str) -> None:
    """By its fields, its directives, or the programs of its script."""
    assert led(name, text) == [wanted]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "endpoint: https://a.example.com\n"),
        ("index.html", "<a href='https://a.example.com'>x</a>\n"),
        ("dash.json", '{"links": [{"url": "https://a.example.com"}], "panels": [{"url": "https://a.example.com"}]}'),
        ("rules.yaml", "rules:\n- annotations: {runbook_url: 'https://a.example.com'}\n"),
        ("schema.json", '{"$schema": "https://json-schema.org/x", "$id": "https://a.example.com/x"}'),
        ("nginx.conf", "server {\n  server_name a.example.com;\n  listen 0.0.0.0:80;\n  # host a.example.com\n}\n"),
        ("x.yaml", "endpoint: http://a.clinic.svc:80\nregion: us-east-1\n"),
        ("main.py", "url = 'https://a.example.com'\n"),
        ("x.properties", "level.org.example.com=INFO\nversion=1.2.3\n"),
        ("ca", "-----BEGIN CERTIFICATE-----\nhost: a.example.com\n"),
        ("x.yaml", "upstream: '${UPSTREAM}'\nurl: 'https://{{ .Host }}/'\n"),
        ("x.conf", "host conf.d/x.yaml\n"),
    ],
)
def test_what_leads_nowhere(name: str, text: str) -> None:
    """Prose, links for people, names under which something is reached, hosts of the cluster, code."""
    assert led(name, text) == []


def test_texts_of_kinds_that_nobody_knows_are_files() -> None:
    """A pipeline or a module that stands in a field is read like a file; a pair's name says what its value is."""
    spec = {
        "module": 'provider "aws" {\n  region = "us-east-1"\n}\n',
        "pipeline": "output {\n  host: a.example.com\n}\n",
        "vars": [{"name": "upload_host", "value": "b.example.com"}, {"name": "note", "value": "c.example.com"}],
        "place": {"region": "us-east-2"},
        "store": {"region": "us-west-1", "endpoint": "http://minio.clinic.svc"},
    }
    found = extract({"apiVersion": "x.example/v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec})[
        "destinations"
    ]
    assert {one["path"]: one["host"] or one["region"] for one in found} == {
        "spec.module": "us-east-1",
        "spec.pipeline": "a.example.com",
        "spec.vars[0].value": "b.example.com",
        "spec.place.region": "us-east-2",
    }


@given(st.text(max_size=40), st.text(max_size=400))
def test_any_text_is_read(name: str, text: str) -> None:
    """Whatever it is, what is found is a destination."""
    assert all(one["host"] or one["region"] for one in file_destinations(name, text, "data.x", "data"))
