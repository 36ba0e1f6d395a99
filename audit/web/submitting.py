"""Submissions to witnesses over HTTP, with short patience and a connection kept for each."""

from audit.tlog.policy import PolicyWitness
from audit.web.client import Access, HttpClient
from audit.witness.rules import Answer

PATIENCE = 3.0  # seconds; a slow witness delays only the next round


class Submitter:
    """`audit.witness.collecting.Submit` over HTTP."""

    def __init__(self, access: Access | None = None) -> None:
        self._access = access or Access(timeout=PATIENCE)
        self._clients: dict[str, HttpClient] = {}

    def __call__(self, witness: PolicyWitness, body: bytes) -> Answer:
        client = self._clients.setdefault(witness.url, HttpClient(witness.url, self._access))
        reply = client.post("add-checkpoint", body)
        return Answer(reply.status, reply.body, reply.kind)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            client.close()
