"""How far a long step is, and what it waits for; shown only where a command listens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Listener:
    """What receives pieces of work and notes."""

    task: Callable[[str, int], AbstractContextManager[Advance]]
    note: Callable[[str], None]


_listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


def task(name: str, total: int) -> AbstractContextManager[Advance]:
    """Begin a piece of work of `total` days; the context gives a function to call with days done."""
    listener = _listener.get()
    return listener.task(name, total) if listener else nullcontext(lambda _: None)


def note(text: str) -> None:
    """Show a person who watches what is going on."""
    listener = _listener.get()
    if listener:
        listener.note(text)


@contextmanager
def shown_by(listener: Listener) -> Iterator[None]:
    """Let a listener receive all work inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
