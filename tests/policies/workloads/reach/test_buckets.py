"""Buckets and regions that containers are told of by variables and flags, and what a whole ConfigMap tells."""

import pytest

from policies.workloads import extract


def told(**variables: str | None) -> list[tuple[str, str, str, str]]:
    """Path, bucket, provider and region of what a container with these variables sends to; None is from a Secret."""
    env = [
        {"name": name, "value": value}
        if value is not None
        else {"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
        for name, value in variables.items()
    ]
    spec = {"containers": [{"name": "c", "image": "x", "env": env}]}
    found = extract({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})["destinations"]
    return [
        (one["path"].rpartition(".")[2], one["bucket"] or one["host"], one["provider"], one["region"])
        for one in found
        if one["kind"] != "region"
    ]


def regions(*arguments: str, **variables: str) -> dict[str, str]:
    """The regions that a container is told of alone, by where they stand."""
    env = [{"name": name, "value": value} for name, value in variables.items()]
    spec = {"containers": [{"name": "c", "image": "x", "args": list(arguments), "env": env}]}
    found = extract({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})["destinations"]
    return {
        one["path"].rpartition("].")[2]: f"{one['provider']} {one['region']}"
        for one in found
        if one["kind"] == "region"
    }


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"S3_BUCKET": "models", "AWS_REGION": "us-east-1"}, ("env[0]", "models", "aws", "us-east-1")),
        ({"AWS_REGION": "us-east-1", "S3_BUCKET_NAME": "models"}, ("env[1]", "models", "aws", "us-east-1")),
        (
            {"A_S3_UP_BUCKET": "models", "A_S3_REGION": "eu-west-1", "AWS_REGION": "us-east-1"},
            ("env[0]", "models", "aws", "eu-west-1"),
        ),
        ({"S3_BUCKET": "models"}, ("env[0]", "models", "aws", "")),
        ({"S3_BUCKET": "$(NAME)", "REGION": "us-east-1"}, ("env[0]", "$(NAME)", "aws", "us-east-1")),
        ({"S3_BUCKET": None, "S3_REGION": "us-east-1"}, ("env[0]", "", "aws", "us-east-1")),
        ({"GCS_BUCKET_NAME": "models", "AWS_REGION": "us-east-1"}, ("env[0]", "models", "gcp", "")),
        ({"S3_BUCKET": "models", "S3_ENDPOINT": ""}, ("env[0]", "models", "aws", "")),
        (
            {"S3_BUCKET": "models", "S3_ENDPOINT": "http://minio:9000", "AWS_REGION": "us-east-1"},
            ("env[1]", "http://minio:9000", "", ""),
        ),
    ],
    ids=str,
)
def test_a_bucket_lies_where_the_variables_beside_it_say(
    variables: dict[str, str | None], wanted: tuple[str, str, str, str]
) -> None:
    """In the region of the nearest name, or nobody knows; an endpoint is judged instead of it."""
    assert told(**variables) == [wanted]


@pytest.mark.parametrize(
    "variables",
    [
        {"RATE_LIMIT_BUCKET": "100"},
        {"VLLM_PROMPT_BS_BUCKET_MIN": "1"},
        {"TOKEN_BUCKET_SIZE": "many"},
        {"S3_BUCKET": None},
    ],
    ids=str,
)
def test_what_is_no_bucket(variables: dict[str, str | None]) -> None:
    """Numbers are no buckets, and one that a Secret names without a region isn't seen."""
    assert told(**variables) == []


@pytest.mark.parametrize(
    ("arguments", "variables", "wanted"),
    [
        ((), {"AWS_REGION": "us-east-1"}, {"env[0]": "aws us-east-1"}),
        ((), {"VERTEX_LOCATION": "europe-west4"}, {"env[0]": "gcp europe-west4"}),
        (("--region=us-gov-west-1",), {}, {"args[0]": "aws us-gov-west-1"}),
        (("--aws-region", "us-east-1"), {}, {"args[1]": "aws us-east-1"}),
        ((), {"AWS_REGION": "us-east-1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a.b.svc"}, {"env[0]": "aws us-east-1"}),
        ((), {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://minio"}, {}),
        (("--region", "us-east-1", "--s3-endpoint=minio:9000"), {}, {}),
        ((), {"REGION": "north", "LOG_LOCATION": "/var/log", "REGIONS": "us-east-1"}, {}),
        (("--region", "--verbose"), {}, {}),
    ],
    ids=str,
)
def test_a_region_that_is_told_alone_is_where_a_client_sends_to(
    arguments: tuple[str, ...], variables: dict[str, str], wanted: dict[str, str]
) -> None:
    """By its form as a cloud writes it, unless a store beside it has an endpoint of its own."""
    assert regions(*arguments, **variables) == wanted


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ({"A": "1", "PGHOST": "db.example.com"}, {"data.PGHOST": "db.example.com"}),
        ({"OTEL_URL": "https://a.example.com", "x": "y"}, {"data.OTEL_URL": "https://a.example.com"}),
        ({"S3_BUCKET": "models", "AWS_REGION": "us-east-1"}, {"data.S3_BUCKET": "models", "data.AWS_REGION": ""}),
        ({"OPENAI_API_KEY": "x"}, {"data": "api.openai.com"}),
        ({"config.yaml": "url: https://a.example.com\n"}, {'data["config.yaml"]': "https://a.example.com"}),
        ({"NOTES": "https://a.example.com\nmore", "readme.md": "url: https://a.example.com\n"}, {}),
        ({"LOG_LEVEL": "info", "FLAG": None, "TEN": 10}, {}),
    ],
    ids=str,
)
def test_entries_of_a_config_map_are_read_like_variables(entries: dict[str, object], wanted: dict[str, str]) -> None:
    """Each by its name, beside the others; any other is a file."""
    found = extract({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": entries})
    assert {one["path"]: one["host"] or one["bucket"] for one in found["destinations"]} == wanted
