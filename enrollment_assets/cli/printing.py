"""What the commands print with: the console, progress bars, tables and lists."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from enrollment_assets.support import progress

if TYPE_CHECKING:
    from rich.console import JustifyMethod

console = Console(highlight=False, soft_wrap=True)
MOST_LINES = 12
# In a log, a line of progress comes so often.
_LINE_SECONDS = 10


@contextmanager
def bars() -> Iterator[None]:
    """A progress bar for each piece of long work inside the block; in a log, a line now and then."""
    if not console.is_terminal:
        with progress.shown_by(progress.Listener(_lines, console.print)):
            yield
        return
    columns = (
        rich_progress.TextColumn("{task.description:26}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("days"),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=console) as display:

        @contextmanager
        def listener(name: str, total: int) -> Iterator[Callable[[int], None]]:
            task = display.add_task(name, total=total)
            yield lambda done: display.advance(task, done)

        with progress.shown_by(progress.Listener(listener, display.console.print)):
            yield


@contextmanager
def _lines(name: str, total: int) -> Iterator[Callable[[int], None]]:
    began = last = time.monotonic()
    done = 0

    def say() -> None:
        seconds = time.monotonic() - began
        console.print(f"{name}: {done:,} of {total:,} days after {seconds:.0f} s")

    def advance(more: int) -> None:
        nonlocal done, last
        done += more
        if done < total and time.monotonic() - last >= _LINE_SECONDS:
            last = time.monotonic()
            say()

    yield advance
    say()


def plain(text: str) -> str:
    """Text that Rich prints unchanged, brackets included."""
    return escape(text)


def table_of(title: str, columns: tuple[str, ...]) -> Table:
    """An empty table: names on the left, figures on the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1))
    for number, name in enumerate(columns):
        # Names break where it gets narrow, so that figures never do.
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(name, justify=justify, no_wrap=number > 0, overflow="fold")
    return table


def listed(title: str, lines: list[str], rest: str = "`enrollment status` lists all") -> None:
    """Print the first lines under a title, how many there are, and where to find the others."""
    if lines:
        console.print(f"[yellow]{title}[/] ({len(lines)}):")
        for line in lines[:MOST_LINES]:
            console.print(f"  {line}")
        if len(lines) > MOST_LINES:
            console.print(f"  and {len(lines) - MOST_LINES} more; {rest}.")


def signed(number: int) -> str:
    """A number with its sign; zero has none."""
    return f"{number:+,}" if number else "0"
