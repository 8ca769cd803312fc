"""Sends alerts about what went wrong through Apprise; no alert holds student data.

Each address gets its own message. Each delivery is noted at once in `alerts.json` beside the warehouse:
runs hold the warehouse itself, and a sensor's cursor forgets what a failed tick did. Once no run holds
the warehouse, the notes move to `operations.alert_deliveries`.
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
from enrollment_assets.publishing.alerts.news import News, message_about, severity_of
from enrollment_assets.support.files import PRIVATE_FILE, make_private_folder, replace
from enrollment_assets.warehouse.connection import Warehouse, plain_errors
from enrollment_assets.warehouse.lock import writer_lock
from enrollment_assets.warehouse.transactions import transaction

_DEFAULT = "${ALERT_URL}"
# News are about a run or a day; nobody retries one that is older than this.
_KEPT_DAYS = 90
_LOCK_SECONDS = 120


@dataclass(frozen=True)
class Address:
    """An Apprise address, and a name for it: without secrets, and independent of other addresses."""

    name: str
    url: str = field(repr=False)


def addresses(settings: Settings) -> list[Address]:
    """The configured addresses; the default one counts only where its variable is set.

    Raises:
        ConfigurationError: if an address names a variable that is not set.
    """
    configured = []
    for url in settings.alerts.urls:
        if url == _DEFAULT and "ALERT_URL" not in os.environ:
            continue
        expanded = expand(url, "alerts.urls")
        # The text in the file, not the value of a variable: a secret is not even hashed.
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        configured.append(Address(f"{expanded.partition(':')[0]}-{digest}", expanded))
    return configured


def check_addresses(settings: Settings) -> int:
    """How many addresses there are.

    Raises:
        ConfigurationError: if Apprise does not know one; the message holds no address, since it may
            hold a password.
    """
    configured = addresses(settings)
    for number, address in enumerate(configured, start=1):
        if not _sender().add(address.url):
            raise ConfigurationError(
                f"alerts.urls: entry {number} is not an address that Apprise supports; see Apprise's "
                "list of services."
            )
    return len(configured)


def deliver(settings: Settings, news: Sequence[News]) -> int:
    """Send every address its new alerts in one message; returns how many messages went out.

    Alerts that an earlier call could not deliver are sent along.

    Raises:
        AlertError: if an address did not accept its message. The alerts are kept for the next call;
            addresses that accepted theirs do not get them again.
        ConfigurationError: if an address is invalid; the same holds.
    """
    recipients = addresses(settings)
    with _ledger(settings) as ledger:
        known = {piece.id: piece for piece in (*ledger.waiting, *news)}
        if not recipients:
            if ledger.waiting:
                ledger.waiting, ledger.waits_since = [], None
                ledger.save()
            return 0
        failed = set()
        sent = 0
        for address in recipients:
            new = [piece for piece in known.values() if not ledger.has(piece, address)]
            if not new:
                continue
            title, lines = message_about(new)
            subject = f"{_one_line(settings.institution.name)}: {title}"
            if _notify(address, subject, lines, severity_of(new)):
                sent += 1
                ledger.note(new, address, title)
            else:
                failed.add(address.name)
        waited = ledger.waiting
        ledger.waiting = [
            piece
            for piece in known.values()
            if any(not ledger.has(piece, address) for address in recipients)
        ]
        if waited or ledger.waiting:
            ledger.waits_since = (ledger.waits_since or _now()) if ledger.waiting else None
            ledger.save()
    # Checked last: a bad address must not keep the others from their alerts.
    check_addresses(settings)
    if failed:
        kinds = ", ".join(sorted(name.partition("-")[0] for name in failed))
        raise AlertError(
            f"An alert was not delivered to {len(failed)} of {len(recipients)} addresses under "
            f"alerts.urls ({kinds}); it will be sent again."
        )
    return sent


def waiting(settings: Settings) -> tuple[list[str], str | None]:
    """The alerts that some address has not got yet, and since when."""
    with _ledger(settings) as ledger:
        return [piece.text for piece in ledger.waiting], ledger.waits_since


def record_deliveries(settings: Settings) -> None:
    """Move the notes to `operations.alert_deliveries`, unless a run holds the warehouse now."""
    if not settings.warehouse_path.exists():
        return
    with _ledger(settings) as ledger:
        rows = [delivery for delivery in ledger.delivered if not delivery["is_recorded"]]
        if not rows:
            return
        try:
            with writer_lock(settings.warehouse_path, "the ledger of alerts", wait=0) as has_died:
                warehouse = Warehouse(settings)
                if has_died:  # the next holder of the lock checks the file after a crash
                    warehouse.repair_after_crash()
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


def _renamed(piece: dict[str, str]) -> dict[str, str]:
    if "words" not in piece:
        return piece
    kind = "not_mailed" if piece["kind"] == "held" else piece["kind"]
    return {"id": piece["id"], "kind": kind, "text": piece["words"]}


class _Ledger:
    """Which alerts each address got, and which are still waiting."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        # Version 0.1.0 had other words: an alert that waits there must still be delivered, once.
        self.delivered: list[dict[str, Any]] = content.get("delivered", content.get("told", []))
        self.waiting = [News(**_renamed(piece)) for piece in content.get("waiting", [])]
        self.waits_since: str | None = content.get("waits_since")

    def has(self, piece: News, address: Address) -> bool:
        """Whether an address got this alert."""
        return any(
            delivery["news"] == piece.id and delivery["address"] == address.name
            for delivery in self.delivered
        )

    def note(self, news: Sequence[News], address: Address, title: str) -> None:
        """Note at once that an address got these: the process may die before the next address."""
        now = _now()
        for piece in news:
            row = {"news": piece.id, "address": address.name, "title": title, "at": now}
            self.delivered.append({**row, "is_recorded": False})
        self.save()

    def save(self) -> None:
        """Write the notes, whole or not at all."""
        oldest = (dt.datetime.now(dt.UTC) - dt.timedelta(_KEPT_DAYS)).isoformat()
        content = {
            "delivered": [
                delivery
                for delivery in self.delivered
                if delivery["at"] > oldest or not delivery["is_recorded"]
            ],
            "waiting": [asdict(piece) for piece in self.waiting],
            "waits_since": self.waits_since,
        }
        replace(self._path, json.dumps(content, indent=1).encode())


@contextmanager
def _ledger(settings: Settings) -> Iterator[_Ledger]:
    """The notes, locked against other processes.

    Raises:
        AlertError: if another process keeps them locked, or they cannot be read or written.
    """
    path = make_private_folder(settings.data_path) / "alerts.json"
    lock = filelock.FileLock(path.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=PRIVATE_FILE)
    try:
        with lock:
            yield _read(path)
    except filelock.Timeout:
        raise AlertError(
            f"Another process has locked {path}; the alerts will be sent again."
        ) from None
    except OSError as error:
        raise AlertError(
            f"{path} cannot be read or written ({error.strerror}); correct that, since until then "
            "alerts may arrive twice."
        ) from None


def _read(path: Path) -> _Ledger:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return _Ledger(path, content)
    except (ValueError, TypeError, AttributeError):
        raise AlertError(
            f"{path} is damaged; remove it (recent alerts may then arrive twice)."
        ) from None


def _notify(address: Address, title: str, lines: list[str], severity: str) -> bool:
    sender = _sender()
    sender.add(address.url)
    body = "\n".join(map(_one_line, lines))
    return bool(sender.notify(title=title, body=body, notify_type=severity))


def _sender() -> Any:
    """Apprise without its own log, which quotes unreadable addresses with their passwords."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return apprise.Apprise()


def _one_line(text: str) -> str:
    """The text without characters that could start a new header or line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def undelivered(settings: Settings) -> str | None:
    """That alerts are waiting, and since when; None where all were delivered."""
    news, since = waiting(settings)
    if not news:
        return None
    number = "1 alert has" if len(news) == 1 else f"{len(news):,} alerts have"
    return (
        f"{number} not been delivered since {since}. Correct alerts.urls or repair the service behind "
        f"it; the daemon tries again every 30 seconds. The oldest alert: {news[0]}"
    )
