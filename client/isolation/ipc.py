"""What joins a hospital's two processes: gRPC over a Unix socket, an envelope in and one out.

The gateway (network, no data) holds a :class:`WorkerClient`; the worker (data, no network) runs
:func:`serve`. Who may speak is decided by the file system: the socket has mode 0600, or 0660 where
its folder belongs to a group that both users are in. gRPC does not show the peer's user
(``SO_PEERCRED``, unix(7)), so there is no second check. A gateway learns nothing from a failure but
which kind it was; why stands in the worker's log.
"""

from __future__ import annotations

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
from common.storage import files

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
_FAULTS = {
    grpc.StatusCode.INVALID_ARGUMENT: "worker.refused",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "worker.busy",
    grpc.StatusCode.INTERNAL: "worker.failed",
    grpc.StatusCode.UNKNOWN: "worker.failed",
}


class IpcError(SiteError):
    """No answer came from the worker; the public sentence says which kind of failure it was."""


class WorkerClient:
    """The gateway's side.

    Every question makes its own connection (about 2 ms), so that a restarted worker is met at once.

    Args:
        socket: the worker's socket.
        patience: seconds to wait for a worker that is not there, e.g. because it restarts: torch
            alone takes a busy machine a minute.
    """

    def __init__(self, socket: Path, patience: float = 120.0) -> None:
        self._socket = socket
        self._patience = patience

    def ask(
        self, text: str, vector: Memory | None, timeout: float | None = None
    ) -> tuple[str, memoryview | None]:
        """Carry a question to the worker and its answer back.

        Args:
            text: any text.
            vector: contiguous memory, or None; it must stay as it is until the answer is here.
            timeout: seconds for the answer; None waits for as long as it takes.

        Raises:
            IpcError: the question is too long, no worker is there, it died or failed while
                answering, or it took too long.
        """
        question = _cut(text, vector)
        self._check_folder()
        with self._channel() as channel:
            if not _hears(channel, self._patience):
                raise IpcError(
                    "worker.absent", f"nobody answers at {self._socket}; start the worker"
                )
            call = channel.stream_stream(f"/{_SERVICE}/Answer")
            try:
                return framing.join(call(question, timeout=timeout))
            except grpc.RpcError as error:
                raise _refusal(error, timeout) from None
            except WireError as error:
                raise IpcError("worker.broken", str(error)) from None

    def healthy(self) -> bool:
        """Whether a worker accepts connections, also while it is answering."""
        with self._channel() as channel:
            return _hears(channel, 1.0)

    def _channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"unix:{self._socket.absolute()}", options=_OPTIONS)

    def _check_folder(self) -> None:
        folder = self._socket.parent
        if not folder.is_dir():
            raise IpcError("worker.no_folder", f"{folder} is missing; start the worker first")
        if not os.access(folder, os.X_OK):
            local = (
                f"{folder} cannot be entered by the user {os.geteuid()}; "
                "put gateway and worker into the group of that folder"
            )
            raise IpcError("worker.no_entry", local)
        # The worker's own walls let it make no link there; this also holds where it has none.
        if self._socket.is_symlink():
            raise IpcError("worker.absent", f"{self._socket} is a link, which is not followed")


def serve(
    socket: Path,
    answer: Answer,
    stop: threading.Event,
    log: Callable[[str], None],
    bound: Callable[[], None] = lambda: None,
) -> None:
    """The worker's side: answer one question at a time until ``stop`` is set, and end the socket.

    A running answer has ``GRACE`` seconds to end; after that this returns although its thread may
    still run.

    Args:
        socket: where to listen; its folder must exist. What a killed worker has left there is taken
            over.
        answer: gets text and vector of a question, gives those of the answer. If it raises, the
            gateway learns only that it did.
        stop: set by whoever ends the worker.
        log: gets the traceback of an answer that raised.
        bound: called once the socket listens, before the first question is taken; if it raises,
            none is.

    Raises:
        IpcError: the folder is missing, another worker listens there, or the socket cannot be made.
    """
    with _alone(socket):
        pool = ThreadPoolExecutor(_MOST_WAITING, "envelopes")
        worker_thread = ThreadPoolExecutor(1, "answer")
        server = grpc.server(pool, options=_OPTIONS, maximum_concurrent_rpcs=_MOST_WAITING)
        methods = {
            "Hello": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
            "Answer": grpc.stream_stream_rpc_method_handler(_handler(answer, worker_thread, log)),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        _bind(server, socket)
        try:
            bound()
            server.start()
            stop.wait()
            server.stop(GRACE).wait(GRACE + 0.5)
        finally:
            socket.unlink(missing_ok=True)
        worker_thread.shutdown(wait=False, cancel_futures=True)


_Handler = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]


def _handler(
    answer: Answer, worker_thread: ThreadPoolExecutor, log: Callable[[str], None]
) -> _Handler:
    """One question at a time is read and answered."""
    # Always by the same thread: torch keeps threads and caches for each that calls it.
    turn = threading.Lock()

    def handle(question: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        code = grpc.StatusCode.INTERNAL
        try:
            with turn:
                reply = worker_thread.submit(answer, *framing.join(question)).result()
            yield from framing.cut(*reply)
        except WireError as error:
            code = grpc.StatusCode.INVALID_ARGUMENT
            reason = str(error)
        except Exception:
            reason = traceback.format_exc()
        else:
            return
        # Else the gateway is gone, and nobody is there to hear of it.
        if context.is_active():
            log(reason)
            context.abort(code, "")

    return handle


@contextmanager
def _alone(socket: Path) -> Iterator[None]:
    """Hold the socket's lock, which the kernel releases when this process dies, however it dies."""
    length = len(os.fsencode(socket.absolute()))
    if length > _LONGEST_PATH:
        raise IpcError("worker.path", bytes=length, allowed=_LONGEST_PATH)
    lock = _lock(socket)
    try:
        yield
    finally:
        os.close(lock)


def _lock(socket: Path) -> int:
    try:
        return files.only_one(socket.with_suffix(".lock"))
    except BlockingIOError:
        raise IpcError("worker.another", f"{socket} is in use") from None
    except FileNotFoundError:
        raise IpcError("worker.make_folder", f"{socket.parent} is missing; make it first") from None
    except OSError as error:
        raise IpcError("worker.unwritable", str(error)) from None


def _bind(server: grpc.Server, socket: Path) -> None:
    """Make the socket; the folder's group may connect if it may enter the folder."""
    folder = socket.parent.stat()
    # Its owner could put another file in the socket's place, and the group would be given that.
    if folder.st_uid != os.geteuid():
        local = f"{socket.parent} belongs to user {folder.st_uid}; it must be this user's own"
        raise IpcError("worker.no_socket", local)
    # With this mask from the start: nobody else could connect even for a moment.
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{socket.absolute()}")
    except RuntimeError as error:
        raise IpcError("worker.no_socket", f"{socket}: {error}") from None
    finally:
        os.umask(before)
    if folder.st_mode & 0o010:
        try:
            os.chown(socket, -1, folder.st_gid)
            socket.chmod(0o660)
        except OSError as error:
            raise IpcError("worker.group", f"{error}; put the worker's user into it") from None


def _cut(text: str, vector: Memory | None) -> Iterator[bytes]:
    try:
        return framing.cut(text, vector)
    except WireError as error:
        raise IpcError("worker.too_long", str(error)) from None


def _hears(channel: grpc.Channel, patience: float) -> bool:
    """Whether a worker is there within ``patience`` seconds."""
    try:
        channel.unary_unary(f"/{_SERVICE}/Hello")(b"", timeout=patience, wait_for_ready=True)
    except grpc.RpcError:
        return False
    return True


def _refusal(error: grpc.RpcError, timeout: float | None) -> IpcError:
    code = error.code()
    local = f"{code.name}: {error.details()}"
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return IpcError("worker.late", local, seconds=timeout or 0.0)
    return IpcError(_FAULTS.get(code, "worker.died"), local)
