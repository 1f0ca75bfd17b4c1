"""The narrow port in a hospital's inner wall: gRPC over a Unix socket, a letter in and a letter out.

The gateway (network, no data) holds a :class:`WorkerClient`; the worker (data, no network) runs :func:`serve`. Who may speak is decided by the file
system: the socket has mode 0600, or 0660 where its folder belongs to a group that both users are in. gRPC does not show the peer's user
(``SO_PEERCRED``, unix(7)), so there is no second check. A gateway learns nothing from a failure but which kind it was; why stands in the
worker's log.
"""

from __future__ import annotations

import fcntl
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from client.isolation import framing
from client.isolation.framing import Memory
from common.errors import SiteError, WireError

Answer = Callable[[str, memoryview | None], tuple[str, Memory | None]]

GRACE = 4.0
"""Seconds that a running answer may still take when the worker is to stop."""
_SERVICE = "consilium.Worker"
_LONGEST_PATH = 107
"""Bytes of a Unix socket's path: ``sun_path`` of unix(7) has 108 with the closing zero."""
_MOST_WAITING = 16
_OPTIONS = [
    ("grpc.max_receive_message_length", 1 + framing.LARGEST_TEXT),
    ("grpc.max_send_message_length", 1 + framing.LARGEST_TEXT),
    ("grpc.http2.max_frame_size", (1 << 24) - 1),
    ("grpc.http2.lookahead_bytes", 16 << 20),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]
_DIED = "The hospital's worker stopped during the answer; its own log says why."
_FAILED = "The hospital's worker failed; its own log says why."


class IpcError(SiteError):
    """A letter did not get through the inner wall; the public sentence says which kind of failure it was."""


class WorkerClient:
    """The gateway's side. Every question makes its own connection (about 2 ms), so a restarted worker is found at once.

    Args:
        socket: the worker's socket.
        patience: seconds to wait for a worker that is not there, e.g. because it restarts: torch alone takes a busy machine a minute.
    """

    def __init__(self, socket: Path, patience: float = 120.0) -> None:
        self._socket, self._patience = socket, patience

    def ask(
        self, text: str, vector: Memory | None, timeout: float | None = None
    ) -> tuple[str, memoryview | None]:
        """Carry a question to the worker and its answer back.

        Args:
            text: any text.
            vector: contiguous memory, or None; it must stay as it is until the answer is here.
            timeout: seconds for the answer; None waits for as long as it takes.

        Raises:
            PortError: the letter is too long, no worker is there, it died or failed while answering, or it took too long.
        """
        question = _cut(text, vector)
        self._check_folder()
        with self._channel() as channel:
            if not _hears(channel, self._patience):
                raise IpcError(
                    "The hospital's worker is not running.",
                    f"nobody answers at {self._socket}; start the worker",
                )
            call = channel.stream_stream(f"/{_SERVICE}/Answer")
            try:
                return framing.join(call(question, timeout=timeout))
            except grpc.RpcError as error:
                raise _refusal(error, timeout) from None
            except WireError as error:
                raise IpcError("The hospital's worker sent a broken answer.", str(error)) from None

    def healthy(self) -> bool:
        """Whether a worker accepts connections, also while it is answering."""
        with self._channel() as channel:
            return _hears(channel, 1.0)

    def _channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"unix:{self._socket.absolute()}", options=_OPTIONS)

    def _check_folder(self) -> None:
        folder = self._socket.parent
        if not folder.is_dir():
            raise IpcError(
                "The folder of the worker's socket is missing; start the worker first.",
                f"{folder} is missing; start the worker first",
            )
        if not os.access(folder, os.X_OK):
            local = f"{folder} cannot be entered by the user {os.geteuid()}; put gateway and worker into the group of that folder"
            raise IpcError("The gateway may not enter the folder of the worker's socket.", local)


def serve(socket: Path, answer: Answer, stop: threading.Event, log: Callable[[str], None]) -> None:
    """The worker's side: answer one question at a time until ``stop`` is set; then the socket is gone.

    A running answer has ``GRACE`` seconds to end; after that this returns although its thread may still run.

    Args:
        socket: where to listen; its folder must exist. What a killed worker has left there is taken over.
        answer: gets text and vector of a question, gives those of the answer. If it raises, the gateway learns only that it did.
        stop: set by whoever ends the worker.
        log: gets the traceback of an answer that raised.

    Raises:
        PortError: the folder is missing, another worker listens there, or the socket cannot be made.
    """
    with _alone(socket):
        pool, desk = ThreadPoolExecutor(_MOST_WAITING, "letters"), ThreadPoolExecutor(1, "answer")
        server = grpc.server(pool, options=_OPTIONS, maximum_concurrent_rpcs=_MOST_WAITING)
        methods = {
            "Hello": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
            "Answer": grpc.stream_stream_rpc_method_handler(_handler(answer, desk, log)),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        _bind(server, socket)
        server.start()
        stop.wait()
        server.stop(GRACE).wait(GRACE + 0.5)
        socket.unlink(missing_ok=True)
        desk.shutdown(wait=False, cancel_futures=True)


_Handler = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]


def _handler(answer: Answer, desk: ThreadPoolExecutor, log: Callable[[str], None]) -> _Handler:
    """One letter at a time is read and answered, always by the same thread: torch keeps threads and caches for each that calls it."""
    turn = threading.Lock()

    def handle(question: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        code = grpc.StatusCode.INTERNAL
        try:
            with turn:
                reply = desk.submit(answer, *framing.join(question)).result()
            yield from framing.cut(*reply)
        except WireError as error:
            code, reason = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except Exception:
            reason = traceback.format_exc()
        else:
            return
        if context.is_active():  # else the gateway is gone, and nobody is there to be told
            log(reason)
            context.abort(code, "")

    return handle


@contextmanager
def _alone(socket: Path) -> Iterator[None]:
    """Hold the socket's lock, which the kernel releases when this process dies, however it dies."""
    length = len(os.fsencode(socket.absolute()))
    if length > _LONGEST_PATH:
        raise IpcError(
            f"The path of the worker's socket has {length} bytes; at most {_LONGEST_PATH} are allowed; use a shorter folder."
        )
    lock = _lock(socket)
    try:
        yield
    finally:
        os.close(lock)


def _lock(socket: Path) -> int:
    try:
        lock = os.open(
            socket.with_suffix(".lock"),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
            0o600,
        )
    except FileNotFoundError:
        raise IpcError(
            "The folder of the worker's socket is missing; make it first.",
            f"{socket.parent} is missing; make it first",
        ) from None
    except OSError as error:
        raise IpcError(
            "The folder of the worker's socket cannot be written to.", str(error)
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise IpcError(
            "Another worker already listens at this hospital's socket; stop it first.",
            f"{socket} is in use",
        ) from None
    return lock


def _bind(server: grpc.Server, socket: Path) -> None:
    """Make the socket so that nobody else could connect even for a moment; then let the folder's group in, if the folder does."""
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{socket.absolute()}")
    except RuntimeError as error:
        raise IpcError("The worker's socket cannot be made.", f"{socket}: {error}") from None
    finally:
        os.umask(before)
    folder = socket.parent.stat()
    if folder.st_mode & 0o010:
        try:
            os.chown(socket, -1, folder.st_gid)
            socket.chmod(0o660)
        except OSError as error:
            raise IpcError(
                "The worker's socket cannot be given to its folder's group.",
                f"{error}; put the worker's user into it",
            ) from None


def _cut(text: str, vector: Memory | None) -> Iterator[bytes]:
    try:
        return framing.cut(text, vector)
    except WireError as error:
        raise IpcError(str(error)) from None


def _hears(channel: grpc.Channel, patience: float) -> bool:
    """Whether a worker is there within ``patience`` seconds."""
    try:
        channel.unary_unary(f"/{_SERVICE}/Hello")(b"", timeout=patience, wait_for_ready=True)
    except grpc.RpcError:
        return False
    return True


def _refusal(error: grpc.RpcError, timeout: float | None) -> IpcError:
    code = error.code()
    public = {
        grpc.StatusCode.DEADLINE_EXCEEDED: f"The hospital's worker has not answered within {timeout} s.",
        grpc.StatusCode.INVALID_ARGUMENT: "The hospital's worker refused a broken letter; its own log says why.",
        grpc.StatusCode.RESOURCE_EXHAUSTED: "The hospital's worker has too many questions waiting, or a frame was too large.",
        grpc.StatusCode.INTERNAL: _FAILED,
        grpc.StatusCode.UNKNOWN: _FAILED,
    }.get(code, _DIED)
    return IpcError(public, f"{public} ({code.name}: {error.details()})")
