import socket
from pathlib import Path

from tests.webhook.process import Process
from tests.webhook.reviews import encoded


def test_nothing_leaves_by_environment(tmp_path: Path) -> None:
    """Variables that switch a framework's telemetry on have no effect: nobody is called, nothing fails."""
    with socket.create_server(("127.0.0.1", 0)) as collector:
        collector.settimeout(0.5)
        environment = {
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.getsockname()[1]}",
        }
        with Process(tmp_path, environment=environment) as process, process.connect() as connection:
            assert connection.post("/validate/fail", encoded()).answer["allowed"]
            assert connection.get("/livez").status == 200
            try:
                collector.accept()
            except TimeoutError:
                return
        raise AssertionError("somebody was called")
