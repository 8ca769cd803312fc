"""How far a long step is. Nobody listens, unless a command shows a bar."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

Advance = Callable[[int], None]
Listener = Callable[[str, int], AbstractContextManager[Advance]]

_listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


def task(name: str, total: int) -> AbstractContextManager[Advance]:
    """Begin a piece of work of `total` days; call what the context gives with days done."""
    listener = _listener.get()
    return listener(name, total) if listener else nullcontext(lambda _: None)


@contextmanager
def shown_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear of all work inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
