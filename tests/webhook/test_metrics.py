import pytest

from policies.decision import Verdict
from policies.request import Phase
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes


def lines(metrics: Metrics) -> list[str]:
    return metrics.exposition().decode().splitlines()


def test_every_door_and_verdict_is_there_from_the_start() -> None:
    """A counter that has not counted yet is shown as zero, so that a rate over it is known."""
    shown = lines(Metrics())
    for phase in Phase:
        for verdict in Verdict:
            assert f'bailiwick_webhook_requests_total{{door="{phase}",verdict="{verdict}"}} 0.0' in shown


def test_counts() -> None:
    """What happens is counted under its name."""
    metrics = Metrics()
    metrics.ruled(Phase.FAIL, Verdict.DENIED, 0.004)
    metrics.refused(Phase.MUTATE, "truncated")
    metrics.failed_open("internal-fault")
    metrics.log_failed(OSError("gone"))
    metrics.certificate_loaded(1_800_000_000.0)
    metrics.certificate_refused()
    metrics.connection_cut("body-timeout")
    shown = lines(metrics)
    for line in (
        'requests_total{door="validate-fail",verdict="denied"} 1.0',
        'request_seconds_bucket{door="validate-fail",le="0.005"} 1.0',
        'request_seconds_bucket{door="validate-fail",le="0.003"} 0.0',
        'refused_total{door="mutate",reason="truncated"} 1.0',
        'failed_open_total{reason="internal-fault"} 1.0',
        'log_errors_total{error="OSError"} 1.0',
        "certificate_expiry_seconds 1.8e+09",
        'certificate_reloads_total{outcome="refused"} 1.0',
        'connections_cut_total{reason="body-timeout"} 1.0',
    ):
        assert f"bailiwick_webhook_{line}" in shown


def test_gauges_are_asked_when_somebody_looks() -> None:
    """A gauge shows what is so at that moment."""
    metrics, value = Metrics(), [1.0]
    metrics.gauge("policies", "policies in force", lambda: value[0])
    value[0] = 7.0
    assert "bailiwick_webhook_policies 7.0" in lines(metrics)


def test_two_in_a_process() -> None:
    """Two webhooks in one process count apart."""
    first, second = Metrics(), Metrics()
    first.failed_open("internal-fault")
    assert not any(line.startswith("bailiwick_webhook_failed_open_total{") for line in lines(second))


@pytest.mark.parametrize("reason", [None, "the log is being recovered"])
def test_conditions(reason: str | None) -> None:
    """Ready when every condition holds, otherwise with the reason of each that doesn't."""
    probes = Probes({"log": lambda: reason, "policies": lambda: None})
    assert probes.hindrances() == ({} if reason is None else {"log": reason})


def test_a_condition_that_fails_does_not_hold() -> None:
    """A condition that can't be asked stands against readiness."""

    def broken() -> str | None:
        raise OSError("no such device")

    assert Probes({"log": broken}).hindrances() == {"log": "OSError: no such device"}


def test_stopping_is_for_good() -> None:
    """A process that was asked to stop is not ready, whatever else holds."""
    probes = Probes()
    probes.stop()
    assert probes.hindrances() == {"process": "stopping"}
