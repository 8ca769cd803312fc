"""Reads Parquet files and workbooks in a process of its own, with little memory.

Their readers are native code: a damaged file may make them abort, and a small one may unpack to more
than the machine has. Here that ends this process, and refuses one day; the run goes on with the next.

One process reads all files of a run, one after the other. It ends with the run that it belongs to.
"""

import atexit
import contextlib
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from enrollment_assets.config.source import CsvKeys
from enrollment_assets.errors import SnapshotUnreadableError, SourceError
from enrollment_assets.sources import formats
from enrollment_assets.sources.header import Wanted

_LEAST_MEMORY = 1 << 30
_START_SECONDS = 120
# A workbook needs several times its size; a larger one may have more than the least.
_MEMORY_PER_BYTE = 20
_HEADER = struct.Struct(">cQ")
_BATCH, _ABOUT, _END, _ERROR = b"B", b"A", b"D", b"E"
_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (SnapshotUnreadableError, SourceError)
}


def read(
    file: IO[bytes], name: str, wanted: Wanted, *, max_megabytes: int, timeout: float
) -> Iterator[pa.RecordBatch]:
    """As `formats.read`, of an open file on disk.

    Raises:
        SourceError: if its extension is not supported.
        SnapshotUnreadableError: if it is not what its extension says, needs too much memory, or takes
            longer than `timeout` seconds; also while batches are read.
    """
    request = {
        "name": name,
        "columns": {ours: list(names) for ours, names in wanted.columns.items()},
        "csv": wanted.csv.model_dump(),
        "sheet": wanted.sheet,
        "max_megabytes": max_megabytes,
    }
    with _lock:
        child = _running()
        try:
            yield from child.answers(file.fileno(), request, name, wanted, timeout)
        except BaseException:
            # Whatever it was doing, it must not answer the next request with the rest of this one.
            if not child.is_idle:
                child.kill()
            raise


class _Child:
    """The process that reads."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - this module itself
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # Native code that aborts says so at length, and may quote what it read.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
            )
        self._socket = ours
        self._stream = ours.makefile("rb")
        self.owner = os.getpid()
        self.is_idle = True
        # Its start is no part of the time that a file may take.
        self._socket.settimeout(_START_SECONDS)
        self._next()

    def kill(self) -> None:
        """End it."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        self._stream.close()
        self._socket.close()

    def answers(
        self, descriptor: int, request: dict[str, Any], name: str, wanted: Wanted, timeout: float
    ) -> Iterator[pa.RecordBatch]:
        """The batches of a file; `wanted` gets its header and notes."""
        self.is_idle = False
        self._socket.settimeout(timeout)
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode() + b"\n"], [descriptor])
            while True:
                kind, content = self._next()
                if kind == _BATCH:
                    with pa.ipc.open_stream(content) as stream:
                        yield from stream
                elif kind == _ABOUT:
                    about = json.loads(content)
                    wanted.header, wanted.notes = about["header"], about["notes"]
                else:
                    break
        except TimeoutError:
            raise SnapshotUnreadableError(
                f"{name} takes longer than {timeout:g} s to read (source.timeout_seconds); extract it "
                "again."
            ) from None
        except (OSError, EOFError):
            self.process.wait()
            raise formats.needs_memory(name) from None
        self.is_idle = True
        if kind == _ERROR:
            error = json.loads(content)
            raise _ERRORS[error["kind"]](error["text"])

    def _next(self) -> tuple[bytes, bytes]:
        head = self._stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise EOFError
        kind, size = _HEADER.unpack(head)
        content = self._stream.read(size)
        if len(content) < size:
            raise EOFError
        return kind, content


# Threads of one run take turns.
_lock = threading.RLock()
_children: list[_Child] = []


def _running() -> _Child:
    """The process of this run; a new one if it died or belongs to the process that we came from."""
    for child in list(_children):
        if child.owner == os.getpid() and child.is_idle and child.process.poll() is None:
            return child
        _children.remove(child)
    _children.append(_Child())
    return _children[0]


@atexit.register
def close() -> None:
    """End the process that reads, if there is one."""
    for child in _children:
        with contextlib.suppress(OSError):
            child.kill()
    _children.clear()


def _serve(connection: socket.socket) -> None:
    """Read one file after the other, until the other side is gone."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
        if not text:
            return
        while not text.endswith(b"\n"):
            text += connection.recv(1 << 20)
        request = json.loads(text)
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            _answer(connection, file, request)


def _answer(connection: socket.socket, file: IO[bytes], request: dict[str, Any]) -> None:
    columns = {ours: tuple(names) for ours, names in request["columns"].items()}
    wanted = Wanted(columns, CsvKeys(**request["csv"]), request["sheet"])
    size = os.fstat(file.fileno()).st_size
    memory = max(_LEAST_MEMORY, _MEMORY_PER_BYTE * size)
    # Of all limits this one counts what is really taken, and not the address space that is reserved.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.RLIM_INFINITY))
    try:
        is_first = True
        most = request["max_megabytes"]
        for batch in formats.read(file, request["name"], wanted, max_megabytes=most):
            if is_first:
                _send(connection, _ABOUT, _about(wanted))
                is_first = False
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            _send(connection, _BATCH, sink.getvalue())
        _send(connection, _ABOUT, _about(wanted))
        _send(connection, _END, b"")
    except tuple(_ERRORS.values()) as error:
        content = {"kind": type(error).__name__, "text": str(error)}
        _send(connection, _ERROR, json.dumps(content).encode())


def _about(wanted: Wanted) -> bytes:
    return json.dumps({"header": wanted.header, "notes": wanted.notes}).encode()


def _send(connection: socket.socket, kind: bytes, content: bytes | pa.Buffer) -> None:
    connection.sendall(_HEADER.pack(kind, len(memoryview(content))))
    connection.sendall(content)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _connection:
        _send(_connection, _END, b"")
        _serve(_connection)
