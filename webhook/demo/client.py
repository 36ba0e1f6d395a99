"""An API server's part of the conversation: AdmissionReviews over TLS, for the creation of one object.

Only what the story needs: the object is sent through /mutate, its patch applied, and the result through both
validating doors, as kube-apiserver does it.
"""

import base64
import http.client
import json
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from policies.checking import creation, with_object
from policies.json import Json
from policies.patch import apply
from policies.request import Operation, Request, Resource

USER = {"username": "dr.ada@clinic.example", "groups": ["clinic:engineers", "system:authenticated"]}
TIMEOUT = 10.0  # seconds; what the registration would say


@dataclass(frozen=True, slots=True)
class Told:
    """What the webhook said about one object."""

    allowed: bool
    messages: tuple[str, ...]
    warnings: tuple[str, ...]
    patch: tuple[Json, ...]
    annotations: dict[str, str]
    object: Json


class WebhookFailed(Exception):
    """The webhook process didn't answer as an API server needs it."""


class Asker:
    """One keep-alive connection to the webhook."""

    def __init__(self, port: int, ca: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        self._connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=TIMEOUT)

    def create(self, found: Json, subresource: str = "") -> Told:
        """Ask for the creation of an object, through all three doors. A `binding` is created below its pod."""
        return self.ask(_below(creation(found, "default", str(uuid.uuid4())), subresource))

    def update(self, before: Json, found: Json, subresource: str = "") -> Told:
        """Ask for the change of an object into another version of it."""
        made = replace(creation(found, "default", str(uuid.uuid4())), operation=Operation.UPDATE, old_object=before)
        return self.ask(_below(with_object(made, found), subresource))

    def ask(self, request: Request) -> Told:
        """Ask whatever is to be asked, through all three doors. Without a user of its own it is `USER` who asks."""
        answers = [self._ask("/mutate", request)]
        patch = _patch(answers[0])
        request = with_object(request, apply(request.object, patch))
        if answers[0]["allowed"]:
            answers += [self._ask(door, request) for door in ("/validate/fail", "/validate/ignore")]
        return Told(
            allowed=all(answer["allowed"] for answer in answers),
            messages=tuple(_message(answer) for answer in answers if not answer["allowed"]),
            warnings=tuple(warning for answer in answers for warning in answer.get("warnings") or ()),
            patch=tuple(patch),
            annotations=dict(answers[-1].get("auditAnnotations") or {}),
            object=request.object,
        )

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _ask(self, door: str, request: Request) -> dict[str, Any]:
        asked = {**request.review, "uid": request.uid, "userInfo": request.user or USER, "dryRun": False}
        asked["subResource"] = request.subresource
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"{door}?timeout={TIMEOUT:.0f}s", json.dumps(review), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise WebhookFailed(f"{door} answered {answer.status}: {body[:300].decode(errors='replace')}")
        response: dict[str, Any] = json.loads(body)["response"]
        if response["uid"] != request.uid:
            raise WebhookFailed(f"{door} answered another request's uid")
        return response


def _below(request: Request, subresource: str) -> Request:
    if not subresource:
        return request
    pods = replace(request, resource=Resource("", "v1", "pods"), subresource=subresource)
    return with_object(pods, request.object)


def _patch(answer: dict[str, Any]) -> Sequence[Json]:
    return json.loads(base64.b64decode(answer["patch"])) if answer.get("patch") else ()


def _message(answer: dict[str, Any]) -> str:
    return str((answer.get("status") or {}).get("message") or "no reason given")
