"""One deadline for a whole HTTP exchange: connecting, headers and body, however slowly they come.

The timeouts of `requests` go for each piece that arrives: a server that sends a byte a second keeps a
client for ever.
"""

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _OfThread(threading.local):
    """The open connections of a thread: they outlive one exchange."""

    def __init__(self) -> None:
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


_of_thread = _OfThread()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _of_thread.sockets.add(self.sock)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _of_thread.sockets.add(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **keys: Any) -> None:
        super().init_poolmanager(*args, **keys)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **keys: Any) -> Any:
        manager = super().proxy_manager_for(*args, **keys)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


def session() -> requests.Session:
    """A session whose exchanges `within` may end."""
    opened = requests.Session()
    opened.mount("http://", _Adapter())
    opened.mount("https://", _Adapter())
    return opened


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what this thread exchanges over such sessions after some seconds.

    Raises:
        ReadTimeout: if it took longer.
    """
    sockets, is_over = _of_thread.sockets, threading.Event()

    def cut() -> None:
        is_over.set()
        for one in list(sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (requests.RequestException, OSError):
        if is_over.is_set():
            raise requests.exceptions.ReadTimeout from None
        raise
    else:
        # Headers that were cut off look like headers that ended.
        if is_over.is_set():
            raise requests.exceptions.ReadTimeout
    finally:
        timer.cancel()
