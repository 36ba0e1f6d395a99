"""The service as gRPC on a unix socket, as kube-apiserver speaks it.

Guarantees: Status and everything that needs no key service are answered on the event loop, so calls that wait for the
key service never delay them; the number of those is bounded; an error leaves as a code and one word, whatever its text
says; SIGTERM lets answers under way leave. Who may connect is the endpoint's business.
"""

from __future__ import annotations  # the types of grpc take arguments for the type checker alone

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from keymgmt.kms.api_pb2 import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    StatusRequest,
    StatusResponse,
)
from keymgmt.kms.endpoint import Endpoint, SocketRefused
from keymgmt.kms.reasons import Reason
from keymgmt.kms.service import VERSION, KmsService, Refused, Stored, WouldWait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Context = grpc.aio.ServicerContext[Any, Any]

log = logging.getLogger("bailiwick.kms")

SERVICE = "v2.KeyManagementService"
WAITING = 128  # calls that wait for the key service at once; a cold API server makes a few dozen
THREADS = 7  # of them under way: with the watch, as many as connections are kept to a key service
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
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="kms-open")
        self._waiting = 0

    def generic(self) -> grpc.GenericRpcHandler:
        """What a gRPC server is given."""
        methods = {
            "Status": _unary(self.status, StatusRequest, StatusResponse),
            "Encrypt": _unary(self.encrypt, EncryptRequest, EncryptResponse),
            "Decrypt": _unary(self.decrypt, DecryptRequest, DecryptResponse),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def close(self) -> None:
        """Take no more calls that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def status(self, request: StatusRequest, context: Context) -> StatusResponse:  # noqa: ARG002  # gRPC's
        """From memory."""
        health = self._service.status()
        return StatusResponse(version=VERSION, healthz=health.healthz, key_id=health.key_id)

    async def encrypt(self, request: EncryptRequest, context: Context) -> EncryptResponse:  # noqa: ARG002  # gRPC's
        """Local, so answered at once."""
        made = self._service.encrypt(request.plaintext, request.uid)
        return EncryptResponse(ciphertext=made.ciphertext, key_id=made.key_id, annotations=made.annotations)

    async def decrypt(self, request: DecryptRequest, context: Context) -> DecryptResponse:
        """At once when nothing must be asked, otherwise by a thread that may wait."""
        stored = Stored(request.ciphertext, request.key_id, dict(request.annotations), request.uid)
        try:
            plaintext = self._service.decrypt(stored, may_wait=False)
        except WouldWait:
            plaintext = await self._waited(stored, context.time_remaining())
        return DecryptResponse(plaintext=plaintext)

    async def _waited(self, stored: Stored, left: float | None) -> bytes:
        if self._waiting >= WAITING or (left is not None and left < LEAST_LEFT):
            raise Refused(Reason.BUSY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._service.decrypt, stored)
        finally:
            self._waiting -= 1


def _unary(
    call: Callable[[Any, Context], Awaitable[Any]], request: Any, response: Any
) -> grpc.RpcMethodHandler[Any, Any]:
    async def guarded(asked: Any, context: Context) -> Any:
        try:
            return await call(asked, context)
        except Refused as refused:
            reason = refused.reason
        except Exception as fault:  # noqa: BLE001  # its text may hold anything
            log.error("a fault of ours: %s", type(fault).__name__)  # noqa: TRY400  # a traceback may show locals
            reason = Reason.FAULT
        return await _abort(context, reason)

    return grpc.unary_unary_rpc_method_handler(
        guarded, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )


async def _abort(context: Context, reason: Reason) -> NoReturn:
    await context.abort(CODES.get(reason, grpc.StatusCode.UNAVAILABLE), f"bailiwick: {reason.value}")
    raise AssertionError  # abort never returns


async def serve(service: KmsService, endpoint: Endpoint, *, stop: asyncio.Event) -> None:
    """Answer on the socket until `stop`. Raises SocketRefused."""
    handlers = Handlers(service)
    server = grpc.aio.server(
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
        await server.start()
        log.info("serving %s", endpoint.url)
        try:
            await stop.wait()
        finally:
            await server.stop(GRACE)
            handlers.close()


async def serve_until_signal(service: KmsService, endpoint: Endpoint) -> None:
    """Answer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(service, endpoint, stop=stop)
