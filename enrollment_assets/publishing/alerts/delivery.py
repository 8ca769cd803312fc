"""Tells the people who run this what went wrong, through Apprise, in words without student data.

Each address is told on its own, and who took what is noted at once in `alerts.json` beside the
warehouse: that file itself is held by runs, and what a failed tick of a sensor learned is not in its
cursor. Once no run holds the warehouse, the notes go over into `operations.alert_deliveries`.
"""

import datetime as dt
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import filelock

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand
from enrollment_assets.errors import AlertError, ConfigurationError, WarehouseBusyError
from enrollment_assets.publishing.alerts.news import News, worded
from enrollment_assets.support.files import PRIVATE_FILE, make_private_folder, replace
from enrollment_assets.warehouse.connection import Warehouse, plain_errors, transaction
from enrollment_assets.warehouse.lock import writer_lock

_DEFAULT = "${ALERT_URL}"
# News are about a run or a day: after so long nobody comes back to one.
_KEPT_DAYS = 90
_LOCK_SECONDS = 120


@dataclass(frozen=True)
class Address:
    """An Apprise address, and a name for it that holds no secret and stays when others come or go."""

    name: str
    url: str = field(repr=False)


def addresses(settings: Settings) -> list[Address]:
    """The configured addresses; the default one counts only where its variable is set.

    Raises:
        ConfigurationError: if an address names a variable that is not set.
    """
    found = []
    for url in settings.alerts.urls:
        if url == _DEFAULT and "ALERT_URL" not in os.environ:
            continue
        expanded = expand(url, "alerts.urls")
        # What stands in the file, not what a variable holds: a secret is not even hashed.
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        found.append(Address(f"{expanded.partition(':')[0]}-{digest}", expanded))
    return found


def check_addresses(settings: Settings) -> int:
    """How many addresses there are.

    Raises:
        ConfigurationError: if Apprise does not know one; the message holds no address, since it may
            hold a password.
    """
    found = addresses(settings)
    for number, address in enumerate(found, start=1):
        if not _sender().add(address.url):
            raise ConfigurationError(
                f"alerts.urls: number {number} is no address that Apprise knows; see its services."
            )
    return len(found)


def deliver(settings: Settings, news: Sequence[News]) -> int:
    """Tell every address what it was not told yet, in one message; how many messages went out.

    What an earlier call could not deliver goes along.

    Raises:
        AlertError: if an address did not take it. It is kept, and goes along with the next call; those
            addresses that took it are not told again.
        ConfigurationError: if one is no address at all; the same holds.
    """
    told_to = addresses(settings)
    with _ledger(settings) as ledger:
        known = {piece.id: piece for piece in (*ledger.waiting, *news)}
        if not told_to:
            if ledger.waiting:
                ledger.waiting, ledger.waits_since = [], None
                ledger.save()
            return 0
        failed = set()
        sent = 0
        for address in told_to:
            new = [piece for piece in known.values() if not ledger.was_told(piece, address)]
            if not new:
                continue
            title, lines = worded(new)
            if _notify(address, f"{_one_line(settings.institution.name)}: {title}", lines):
                sent += 1
                ledger.note(new, address, title)
            else:
                failed.add(address.name)
        waited = ledger.waiting
        ledger.waiting = [
            piece
            for piece in known.values()
            if any(not ledger.was_told(piece, address) for address in told_to)
        ]
        if waited or ledger.waiting:
            ledger.waits_since = (ledger.waits_since or _now()) if ledger.waiting else None
            ledger.save()
    # Not before: those whose address is one are told, whatever is wrong with another.
    check_addresses(settings)
    if failed:
        kinds = ", ".join(sorted(name.partition("-")[0] for name in failed))
        raise AlertError(
            f"An alert was not delivered: {len(failed)} of {len(told_to)} addresses under alerts.urls "
            f"({kinds}) did not take it; it will be tried again."
        )
    return sent


def waiting(settings: Settings) -> tuple[list[str], str | None]:
    """The news that some address has not taken, and since when."""
    with _ledger(settings) as ledger:
        return [piece.words for piece in ledger.waiting], ledger.waits_since


def record_deliveries(settings: Settings) -> None:
    """Move the notes over into `operations.alert_deliveries`, unless a run holds the warehouse now."""
    if not settings.warehouse_path.exists():
        return
    with _ledger(settings) as ledger:
        rows = [told for told in ledger.told if not told["is_recorded"]]
        if not rows:
            return
        try:
            with writer_lock(settings.warehouse_path, "the ledger of alerts", wait=0) as has_died:
                warehouse = Warehouse(settings)
                if has_died:  # whoever takes the lock looks after the one who died with it
                    warehouse.make_good()
                with (
                    warehouse.connect() as connection,
                    plain_errors("Writing the ledger of alerts"),
                    transaction(connection),
                ):
                    connection.executemany(
                        "INSERT INTO operations.alert_deliveries BY NAME SELECT ? AS news_id, "
                        "? AS address, ? AS title, ?::TIMESTAMPTZ AS delivered_at",
                        [[row["news"], row["address"], row["title"], row["at"]] for row in rows],
                    )
        except WarehouseBusyError:
            return
        for row in rows:
            row["is_recorded"] = True
        ledger.save()


class _Ledger:
    """Who took which news, and what some have not taken."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        self.told: list[dict[str, Any]] = content.get("told", [])
        self.waiting = [News(**piece) for piece in content.get("waiting", [])]
        self.waits_since: str | None = content.get("waits_since")

    def was_told(self, piece: News, address: Address) -> bool:
        """Whether an address took this piece of news."""
        return any(
            told["news"] == piece.id and told["address"] == address.name for told in self.told
        )

    def note(self, news: Sequence[News], address: Address, title: str) -> None:
        """Note that an address took these, at once: the next one may be where the process ends."""
        now = _now()
        for piece in news:
            row = {"news": piece.id, "address": address.name, "title": title, "at": now}
            self.told.append({**row, "is_recorded": False})
        self.save()

    def save(self) -> None:
        """Write the notes aside and put them in place."""
        oldest = (dt.datetime.now(dt.UTC) - dt.timedelta(_KEPT_DAYS)).isoformat()
        content = {
            "told": [told for told in self.told if told["at"] > oldest or not told["is_recorded"]],
            "waiting": [asdict(piece) for piece in self.waiting],
            "waits_since": self.waits_since,
        }
        replace(self._path, json.dumps(content, indent=1).encode())


@contextmanager
def _ledger(settings: Settings) -> Iterator[_Ledger]:
    """The notes, which nobody else changes meanwhile.

    Raises:
        AlertError: if somebody else keeps them, or they cannot be read or written.
    """
    path = make_private_folder(settings.data_path) / "alerts.json"
    lock = filelock.FileLock(path.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=PRIVATE_FILE)
    try:
        with lock:
            yield _read(path)
    except filelock.Timeout:
        raise AlertError(f"{path} is held by another process; alerts are tried again.") from None
    except OSError as error:
        raise AlertError(
            f"{path} cannot be read or written ({error.strerror}): alerts may come twice until it can."
        ) from None


def _read(path: Path) -> _Ledger:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return _Ledger(path, content)
    except (ValueError, TypeError, AttributeError):
        raise AlertError(
            f"{path} is damaged; remove it (alerts of the last days may come twice)."
        ) from None


def _notify(address: Address, title: str, lines: list[str]) -> bool:
    sender = _sender()
    sender.add(address.url)
    return bool(sender.notify(title=title, body="\n".join(map(_one_line, lines))))


def _sender() -> Any:
    """Apprise, without its own log: it quotes an address that it cannot read, password included."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return apprise.Apprise()


def _one_line(text: str) -> str:
    """Without what could begin a header, or a line, of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def undelivered(settings: Settings) -> str | None:
    """That alerts wait since a time, for some address did not take them; None where all is told."""
    news, since = waiting(settings)
    if not news:
        return None
    number = "1 alert has" if len(news) == 1 else f"{len(news)} alerts have"
    return (
        f"{number} not been delivered since {since}, the oldest: {news[0]} Correct "
        "alerts.urls, or mend the service behind it; the daemon tries again every half minute."
    )
