"""The webhook's HTTP surface: three doors, two probes, metrics. Everything else is 404.

Guarantees that the doors take no detour: their paths are looked up before any middleware runs. Nothing leaves through
telemetry, whatever the environment says.
"""

from collections.abc import Mapping

import orjson
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from policies.request import Phase
from webhook.serving.body import Bodies
from webhook.serving.doors import Door, Rules
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes
from webhook.serving.settings import BodyLimits, Deadlines

PATHS = {"/mutate": Phase.MUTATE, "/validate/fail": Phase.FAIL, "/validate/ignore": Phase.IGNORE}


class Webhook(FastAPI):
    """A FastAPI application whose doors are reached by one dictionary look-up."""

    def __init__(self, doors: Mapping[str, ASGIApp]) -> None:
        # No pages of documentation: there is nothing here for a browser. Telemetry would follow environment variables.
        off = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=off)
        self.doors = doors
        for path, door in doors.items():
            self.router.routes.append(Route(path, door, methods=["POST"]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (door := self.doors.get(scope["path"])) is not None:
            await door(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    judge: Rules,
    probes: Probes,
    metrics: Metrics,
    *,
    body: BodyLimits | None = None,
    deadlines: Deadlines | None = None,
) -> FastAPI:
    """The application over its parts; it opens nothing and starts nothing."""
    bodies, deadlines = Bodies(body or BodyLimits()), deadlines or Deadlines()
    doors = {path: Door(phase, judge, metrics, bodies, deadlines) for path, phase in PATHS.items()}
    app = Webhook(doors)
    add_probes(app, probes, metrics)
    return app


def create_probes_app(probes: Probes, metrics: Metrics) -> FastAPI:
    """Only the probes and metrics, for a port where nobody needs a certificate."""
    app = Webhook({})
    add_probes(app, probes, metrics)
    return app


def add_probes(app: FastAPI, probes: Probes, metrics: Metrics) -> None:
    """`/livez`, `/readyz` (503 and the reasons when not ready; warnings) and `/metrics`."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        hindrances = probes.hindrances()
        told = {"ready": not hindrances, "hindrances": hindrances}
        if warnings := probes.warnings():
            told["warnings"] = warnings
        body = orjson.dumps(told)
        return Response(body, 503 if hindrances else 200, media_type="application/json")

    async def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": metrics.content_type})

    app.add_route("/livez", livez)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", exposition)
