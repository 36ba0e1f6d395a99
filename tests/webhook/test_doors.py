"""Reviews over a real TLS socket, good ones and bad ones."""

from base64 import b64decode
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.parts import Parts
from tests.webhook.reviews import behaving, encoded, recorded, sized
from tests.webhook.test_review import MALFORMED
from tests.webhook.wire import POSTED, Connection, HungUp
from webhook.serving.doors import timeout_of

DOORS = ("/mutate", "/validate/fail", "/validate/ignore")
LIMIT = 7 << 20


@pytest.fixture
def connection(webhook: Parts) -> Iterator[Connection]:
    with webhook.connect() as connected:
        yield connected


def alive(webhook: Parts) -> bool:
    with webhook.connect() as another:
        return bool(another.post("/validate/fail", encoded()).answer["allowed"])


@pytest.mark.parametrize("path", DOORS)
def test_allowed(connection: Connection, path: str) -> None:
    """Each door answers a review with HTTP 200, the uid and a ruling."""
    response = connection.post(path + "?timeout=10s", encoded("u-17"))
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    assert (response.answer["uid"], response.answer["allowed"]) == ("u-17", True)


def test_denied(connection: Connection) -> None:
    """A denial is HTTP 200 too; it names every reason, the place, and what to change."""
    response = connection.post("/validate/fail", behaving("deny"))
    message = response.answer["status"]["message"]
    assert (response.status, response.answer["status"]["code"]) == (200, 403)
    for part in ("spec.template.spec.containers[0].image, spec.other", "use a digest", "could run in `aws.us-east-1`"):
        assert part in message


def test_mutated(connection: Connection) -> None:
    """The mutating door answers with a JSON Patch."""
    answer = connection.post("/mutate", behaving("patch")).answer
    assert answer["patchType"] == "JSONPatch"
    assert orjson.loads(b64decode(answer["patch"]))[0]["op"] == "add"


def test_warned(connection: Connection) -> None:
    """Warnings travel in a form that the API server doesn't drop."""
    warnings = connection.post("/validate/fail", behaving("warn")).answer["warnings"]
    assert warnings[0] == "soon refused"
    assert len(warnings[1]) == 256


def test_recorded(webhook: Parts, connection: Connection) -> None:
    """The answer's audit annotations lead to the record, which was there before."""
    annotations = connection.post("/validate/fail", encoded()).answer["auditAnnotations"]
    record, _ = webhook.log.records[int(annotations["leaf-index"])]
    assert orjson.loads(record.body)["id"] == annotations["decision-id"]
    assert annotations["verdict"] == "allowed"
    assert len(annotations["policy-digest"]) == 64


def test_dry_run(webhook: Parts, connection: Connection) -> None:
    """A dry run is answered and leaves no record."""
    before = len(webhook.log.records)
    answer = connection.post("/validate/fail", encoded(dryRun=True)).answer
    assert answer["allowed"]
    assert "leaf-index" not in answer["auditAnnotations"]
    assert len(webhook.log.records) == before


@pytest.mark.parametrize("scene", recorded())
def test_replayed(connection: Connection, scene: str) -> None:
    """Every review recorded from a real API server is answered, at every door."""
    body = recorded()[scene]
    for path in DOORS:
        answer = connection.post(path + "?timeout=10s", body).answer
        assert answer["uid"] == orjson.loads(body)["request"]["uid"]
        assert answer["allowed"]


@pytest.mark.parametrize("reason", MALFORMED)
def test_malformed(webhook: Parts, connection: Connection, reason: str) -> None:
    """What is no review gets HTTP 400 and the reason; the connection and the process go on."""
    response = connection.post("/validate/fail", MALFORMED[reason])
    status = response.json
    assert (response.status, status["code"], status["kind"]) == (400, 400, "Status")
    assert status["message"].startswith(f"{reason}: ")
    assert connection.post("/validate/fail", encoded()).status == 200
    assert f'refused_total{{door="validate-fail",reason="{reason}"}}'.encode() in webhook.metrics.exposition()


@given(st.binary(max_size=64))
def test_any_body(webhook: Parts, body: bytes) -> None:
    """Any bytes in a well-formed POST get 400 and a reason."""
    with webhook.connect() as connection:
        response = connection.post("/mutate", body)
        assert response.status == 400
        assert ": " in response.json["message"]


def test_four_mebibytes(connection: Connection) -> None:
    """A review of 4 MiB is an ordinary one: an object of the API server's 3 MiB, and the object before."""
    assert connection.post("/validate/fail", sized(4 << 20)).answer["allowed"]


def test_at_the_limit(connection: Connection) -> None:
    """The limit itself is still read."""
    assert connection.post("/validate/fail", sized(LIMIT)).answer["allowed"]


def test_twelve_mebibytes(webhook: Parts, connection: Connection) -> None:
    """12 MiB are refused by their Content-Length, before they are read."""
    connection.send(b"POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    connection.send(b"Content-Length: %d\r\n\r\n" % (12 << 20))
    response = connection.response()
    assert (response.status, response.headers["connection"]) == (413, "close")
    assert "body-too-large" in response.json["message"]
    assert alive(webhook)


def test_twelve_mebibytes_sent_at_once(webhook: Parts) -> None:
    """A client that sends all of it without waiting still reads the refusal."""
    with webhook.connect() as connection:
        response = connection.post("/validate/fail", sized(12 << 20))
    assert response.status == 413
    assert alive(webhook)


def test_endless_chunks(webhook: Parts, connection: Connection) -> None:
    """A body without a declared length is read up to the limit and no further."""
    connection.send(b"POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n" % (1 << 20) + b"x" * (1 << 20) + b"\r\n"
    with pytest.raises(HungUp):
        for _ in range(64):
            connection.send(chunk)
        connection.response()
        connection.response()
    assert alive(webhook)


def test_chunked(connection: Connection) -> None:
    """A chunked review is read like any other."""
    body = encoded()
    connection.send(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
    connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
    for part in (body[:100], body[100:]):
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))
    connection.send(b"0\r\n\r\n")
    assert connection.response().answer["allowed"]


def test_piecemeal(connection: Connection) -> None:
    """A review that comes in pieces is read like any other."""
    request = b"POST /mutate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    data = request % (len(encoded()), encoded())
    for start in range(0, len(data), 61):
        connection.send(data[start : start + 61])
    assert connection.response().answer["allowed"]


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({}, 415, "media-type-unsupported"),
        ({"Content-Type": "text/yaml"}, 415, "media-type-unsupported"),
        ({"Content-Type": "application/json-patch+json"}, 415, "media-type-unsupported"),
        (POSTED | {"Content-Encoding": "gzip"}, 415, "encoding-unsupported"),
    ],
    ids=["none", "yaml", "patch", "gzip"],
)
def test_media_types(connection: Connection, headers: dict[str, str], status: int, reason: str) -> None:
    """Only plain JSON is read."""
    response = connection.post("/mutate", encoded(), headers)
    assert response.status == status
    assert reason in response.json["message"]


def test_media_type_with_parameters(connection: Connection) -> None:
    """A charset beside the media type is nobody's mistake."""
    assert connection.post("/mutate", encoded(), {"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


def test_get(connection: Connection) -> None:
    """A door is not looked into."""
    assert connection.get("/mutate").status == 405


def test_elsewhere(connection: Connection) -> None:
    """There is nothing else to find: no documentation, no schema."""
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/mutate/", "/validate"):
        assert connection.get(path).status == 404


def test_no_http(webhook: Parts, connection: Connection) -> None:
    """What is not HTTP is answered with 400 and the end of the connection."""
    connection.send(b"\x00\x01\x02 hello\r\n\r\n")
    assert connection.response().status == 400
    assert connection.ended()
    assert alive(webhook)


def test_upgrade_is_not_offered(webhook: Parts, connection: Connection) -> None:
    """No other protocol is spoken on these connections."""
    connection.send(b"GET /mutate HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert connection.response().status in (400, 405)
    assert alive(webhook)


def test_probes(webhook: Parts, connection: Connection) -> None:
    """Ready says so; not ready says why, for each condition that does not hold."""
    assert connection.get("/livez").body == b"ok"
    assert connection.get("/readyz").json == {"ready": True, "hindrances": {}}
    reasons: list[str | None] = ["policies are being compiled"]
    webhook.probes.add("policies", lambda: reasons[0])
    response = connection.get("/readyz")
    assert (response.status, response.json["hindrances"]) == (503, {"policies": "policies are being compiled"})
    assert connection.get("/livez").status == 200
    reasons[0] = None
    assert connection.get("/readyz").status == 200


def test_metrics(connection: Connection) -> None:
    """What was asked is counted, by door and verdict, with its latency."""
    connection.post("/validate/ignore", behaving("deny"))
    response = connection.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'bailiwick_webhook_requests_total{door="validate-ignore",verdict="denied"} ' in response.body
    assert b'bailiwick_webhook_request_seconds_count{door="validate-ignore"} ' in response.body
    assert b"bailiwick_webhook_certificate_expiry_seconds 1." in response.body


def test_timeout_of_the_url(webhook: Parts, connection: Connection) -> None:
    """The review's own timeout is the deadline: a slow answer elsewhere becomes a denial in time."""
    webhook.resolver.delay = 20.0
    try:
        answer = connection.post("/validate/fail?timeout=1s", behaving("ask")).answer
    finally:
        webhook.resolver.delay = 0.0
    assert answer["status"]["code"] == 504
    assert answer["status"]["message"].startswith("deadline-exceeded")


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"timeout=10s", 10.0),
        (b"timeout=500ms", 0.5),
        (b"a=b&timeout=1m30s&c=d", 30.0),
        (b"timeout=1.5s", 1.5),
        (b"", 10.0),
        (b"timeout=0s", 10.0),
        (b"timeout=s", 10.0),
        (b"timeout=5", 10.0),
        (b"timeout=1e9s", 10.0),
        (b"timeout=" + b"9" * 400 + b"s", 10.0),
    ],
)
def test_timeouts(query: bytes, seconds: float) -> None:
    """Go durations are read; nothing readable is the default; nothing is longer than an API server waits."""
    assert timeout_of(query, 10.0, 30.0) == seconds


def test_pipelined(connection: Connection) -> None:
    """Requests that are sent before the answers are answered in order."""
    requests = [b"", b""]
    for number in range(2):
        body = encoded(f"u-{number}")
        head = b"POST /mutate HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        requests[number] = head % len(body) + body
    connection.send(b"".join(requests))
    assert [connection.response().answer["uid"] for _ in range(2)] == ["u-0", "u-1"]
