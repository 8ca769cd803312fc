"""Records each mail before it is sent, and again when the server has it.

A mail that was recorded as being sent and never as sent is in doubt: the process was killed, or the
connection broke after the last byte. When in doubt, it is sent again with the same Message-ID. Nobody
notices a report that does not arrive until it is too late; a report that arrives twice is recognized
by its Message-ID.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from enrollment_assets.config import Settings
from enrollment_assets.publishing.mail.smtp import Handover
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.transactions import transaction

REPORT = "report"
_LEDGER = "operations.report_deliveries"


@dataclass(frozen=True)
class Batch:
    """The recipients of one mail, and its Message-ID."""

    recipients: tuple[str, ...]
    message_id: str


def message_id(settings: Settings, day: dt.date, kind: str, recipients: Sequence[str]) -> str:
    """Depends only on day, kind and recipients, so that a mail sent twice shows as one."""
    parts = (settings.institution.name, str(day), kind, *sorted(map(str.casefold, recipients)))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"<{kind}.{day}.{digest[:24]}@{settings.email.sender_domain}>"


def outstanding(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    day: dt.date,
    recipients: Sequence[str],
    kind: str = REPORT,
) -> list[Batch]:
    """The recipients without the mail of a day: first those in doubt, with their old Message-ID."""
    with plain_errors("Reading the ledger of mails"):
        rows = connection.execute(
            f"SELECT recipients, message_id, state FROM {_LEDGER} "
            "WHERE date = ? AND kind = ? AND state IN ('sending', 'sent') ORDER BY recorded_at",
            [day, kind],
        ).fetchall()
    sets = [(set(who.casefold().split(",")), known, state) for who, known, state in rows]
    done = {who for addresses, _, state in sets if state == "sent" for who in addresses}
    batches = []
    left = [address for address in recipients if address.casefold() not in done]
    for addresses, known, state in sets:
        again = tuple(address for address in left if address.casefold() in addresses)
        if state == "sending" and again:
            batches.append(Batch(again, known))
            left = [address for address in left if address not in again]
    if left:
        batches.append(Batch(tuple(left), message_id(settings, day, kind, left)))
    return batches


def note_sending(
    connection: duckdb.DuckDBPyConnection,
    day: dt.date,
    batch: Batch,
    run_id: str,
    kind: str = REPORT,
) -> None:
    """Record that a mail is about to be sent; committed before the server is contacted."""
    with plain_errors("Writing the ledger of mails"), transaction(connection):
        _forget_sending(connection, batch)
        _append(connection, day, kind, batch, batch.recipients, "sending", None, run_id)


def note_handover(
    connection: duckdb.DuckDBPyConnection,
    day: dt.date,
    batch: Batch,
    handover: Handover,
    run_id: str,
    kind: str = REPORT,
) -> None:
    """Record which recipients have the mail, and which the server refused."""
    with plain_errors("Writing the ledger of mails"), transaction(connection):
        _forget_sending(connection, batch)
        if handover.accepted:
            _append(connection, day, kind, batch, handover.accepted, "sent", None, run_id)
        for refusal in handover.refused:
            reason = f"refused: {refusal.codes}"
            _append(connection, day, kind, batch, (refusal.recipient,), "failed", reason, run_id)


def note_failure(
    connection: duckdb.DuckDBPyConnection,
    day: dt.date,
    batch: Batch,
    reason: str,
    run_id: str,
    kind: str = REPORT,
) -> None:
    """Record that this try reached nobody."""
    with plain_errors("Writing the ledger of mails"), transaction(connection):
        _forget_sending(connection, batch)
        _append(connection, day, kind, batch, batch.recipients, "failed", reason, run_id)


def _forget_sending(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    connection.execute(
        f"DELETE FROM {_LEDGER} WHERE message_id = ? AND state = 'sending'", [batch.message_id]
    )


def _append(
    connection: duckdb.DuckDBPyConnection,
    day: dt.date,
    kind: str,
    batch: Batch,
    recipients: Sequence[str],
    state: str,
    detail: str | None,
    run_id: str,
) -> None:
    connection.execute(
        f"INSERT INTO {_LEDGER} BY NAME SELECT ? AS date, ? AS kind, ? AS recipients, "
        "? AS message_id, ? AS state, ? AS detail, ? AS run_id, now() AS recorded_at",
        [day, kind, ",".join(recipients), batch.message_id, state, detail, run_id],
    )
