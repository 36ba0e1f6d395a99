"""The service as gRPC on a unix socket, as kube-apiserver speaks it.

Guarantees: calls that wait for the key service delay neither Status nor what needs no key service; the number of those
that wait is bounded; an error leaves as a code and one word, whatever its text says; SIGTERM lets answers under way
leave. Who may connect is the endpoint's business. Threads and not an event loop: gRPC's own loop in Python takes half
the calls a second, and three times as long for the slowest.
"""

from __future__ import annotations  # the types of grpc take arguments for the type checker alone

import logging
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, NoReturn, cast

import grpc

from keymgmt.kms.api_pb2 import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    StatusRequest,
    StatusResponse,
)
from keymgmt.kms.crew import Crew
from keymgmt.kms.endpoint import Endpoint, SocketRefused
from keymgmt.kms.reasons import Reason
from keymgmt.kms.service import VERSION, KmsService, Refused, Stored, WouldWait

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("bailiwick.kms")

SERVICE = "v2.KeyManagementService"
WAITING = 128  # calls that wait for the key service at once; a cold API server makes a few dozen
THREADS = 7  # of them under way: with the watch, as many as connections are kept to a key service
ANSWERING = 4  # threads for all else: they share an interpreter, and more only get in each other's way
LARGEST_MESSAGE = 64 * 1024  # bytes; annotations may have 32 KiB
LEAST_LEFT = 0.1  # seconds of a call's deadline, below which asking is in vain
GRACE = 2.0  # seconds for answers under way

CODES = {
    Reason.FOREIGN_REGION: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNKNOWN_KEY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.REVOKED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ROLLED_BACK: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WRONG_SERVER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNFIT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.BUSY: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.FAULT: grpc.StatusCode.INTERNAL,
}  # everything else is UNAVAILABLE: it passes, or somebody must act


class Handlers:
    """The three calls, from messages to messages."""

    def __init__(self, service: KmsService) -> None:
        self._service = service
        self.crew = Crew(ANSWERING, "kms-answer")
        self._lock = threading.Lock()
        self._waiting = 0
        self._asking = threading.BoundedSemaphore(THREADS)

    def generic(self) -> grpc.GenericRpcHandler:
        """What a gRPC server is given."""
        methods = {
            "Status": _unary(self.status, StatusRequest, StatusResponse),
            "Encrypt": _unary(self.encrypt, EncryptRequest, EncryptResponse),
            "Decrypt": _unary(self.decrypt, DecryptRequest, DecryptResponse),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def status(self, request: StatusRequest, context: grpc.ServicerContext) -> StatusResponse:  # noqa: ARG002  # gRPC's
        """From memory."""
        health = self._service.status()
        return StatusResponse(version=VERSION, healthz=health.healthz, key_id=health.key_id)

    def encrypt(self, request: EncryptRequest, context: grpc.ServicerContext) -> EncryptResponse:  # noqa: ARG002  # gRPC's
        """Local, so answered at once."""
        made = self._service.encrypt(request.plaintext, request.uid)
        return EncryptResponse(ciphertext=made.ciphertext, key_id=made.key_id, annotations=made.annotations)

    def decrypt(self, request: DecryptRequest, context: grpc.ServicerContext) -> DecryptResponse:
        """At once when nothing must be asked; otherwise this thread waits, and another one takes its place."""
        stored = Stored(request.ciphertext, request.key_id, dict(request.annotations), request.uid)
        try:
            plaintext = self._service.decrypt(stored, may_wait=False)
        except WouldWait:
            plaintext = self._waited(stored, context.time_remaining())
        return DecryptResponse(plaintext=plaintext)

    def _waited(self, stored: Stored, left: float | None) -> bytes:
        with self._lock:
            if self._waiting >= WAITING or (left is not None and left < LEAST_LEFT):
                raise Refused(Reason.BUSY)
            self._waiting += 1
        try:
            with self.crew.aside():
                return self._asked(stored, left)
        finally:
            with self._lock:
                self._waiting -= 1

    def _asked(self, stored: Stored, left: float | None) -> bytes:
        # kube-apiserver always says how long it waits; whoever doesn't waits for as long as there are others
        if not self._asking.acquire(timeout=left):
            raise Refused(Reason.BUSY)
        try:
            return self._service.decrypt(stored)
        finally:
            self._asking.release()


def _unary(
    call: Callable[[Any, grpc.ServicerContext], Any], request: Any, response: Any
) -> grpc.RpcMethodHandler[Any, Any]:
    def guarded(asked: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(asked, context)
        except Refused as refused:
            reason = refused.reason
        except Exception as fault:  # noqa: BLE001  # its text may hold anything
            log.error("a fault of ours: %s", type(fault).__name__)  # noqa: TRY400  # a traceback may show locals
            reason = Reason.FAULT
        _abort(context, reason)

    return grpc.unary_unary_rpc_method_handler(
        guarded, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )


def _abort(context: grpc.ServicerContext, reason: Reason) -> NoReturn:
    context.abort(CODES.get(reason, grpc.StatusCode.UNAVAILABLE), f"bailiwick: {reason.value}")
    raise AssertionError  # abort never returns


def serve(service: KmsService, endpoint: Endpoint, *, until: Callable[[], object]) -> None:
    """Answer on the socket for as long as `until` takes. Raises SocketRefused."""
    handlers = Handlers(service)
    server = grpc.server(
        cast("ThreadPoolExecutor", handlers.crew),  # of which gRPC asks to have things done, and no more
        options=[("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.max_metadata_size", 16 * 1024)],
        maximum_concurrent_rpcs=1024,
    )
    server.add_generic_rpc_handlers((handlers.generic(),))
    with endpoint.alone():
        try:
            with endpoint.binding():
                server.add_insecure_port(f"unix:{endpoint.path}")
        except RuntimeError:
            raise SocketRefused(f"cannot listen at `{endpoint.path}`; check the directory") from None
        server.start()
        log.info("serving %s", endpoint.url)
        try:
            until()
        finally:
            server.stop(GRACE).wait()
            handlers.crew.shutdown()


def serve_until_signal(service: KmsService, endpoint: Endpoint) -> None:
    """Answer until SIGTERM or SIGINT. For the main thread."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())  # written to whichever thread the signal comes to
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        serve(service, endpoint, until=lambda: ours.recv(1))
        signal.set_wakeup_fd(-1)
