"""Mails a day's report once to each recipient, as the ledger of mails shows."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr

import duckdb
import tenacity

from enrollment_assets.config import Settings
from enrollment_assets.config.fields import domain_of
from enrollment_assets.errors import ConfigurationError, MailError, MailRefusedError
from enrollment_assets.publishing.mail import ledger, smtp
from enrollment_assets.publishing.mail.compose import (
    MOST_STUDENTS,
    POLICY,
    MailText,
    StudentList,
    StudentRow,
    address_to,
    compose,
)
from enrollment_assets.publishing.mail.smtp import Refusal, Server
from enrollment_assets.publishing.reports.figures import read_figures
from enrollment_assets.publishing.reports.pictures import read_pictures
from enrollment_assets.publishing.reports.summary import summary
from enrollment_assets.publishing.student_lists import record_access
from enrollment_assets.support import progress
from enrollment_assets.warehouse.connection import plain_errors
from enrollment_assets.warehouse.statements import statement
from enrollment_assets.warehouse.transactions import transaction

# About two and a half minutes in all, since the run locks the warehouse meanwhile.
_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 80.0


@dataclass(frozen=True)
class DayMail:
    """The mail of a day, and the number of students that it lists by term and kind of change."""

    text: "MailText"
    listed: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mailed:
    """How many recipients have the mail of a day, and who was refused."""

    accepted: int = 0
    had_it: int = 0
    refused: tuple[Refusal, ...] = ()

    @property
    def outcome(self) -> str:
        """The same as a text, without an address."""
        parts = [f"mailed to {_recipients(self.accepted)}"] if self.accepted else []
        if self.had_it:
            parts.append(f"{_recipients(self.had_it)} had it already")
        return "; ".join([*parts, *([self.refusals] if self.refused else [])])

    @property
    def refusals(self) -> str:
        """How many recipients were refused, with codes and domains; empty if none was."""
        if not self.refused:
            return ""
        codes = ", ".join(sorted({refusal.codes for refusal in self.refused}))
        domains = ", ".join(sorted({domain_of(refusal.recipient) for refusal in self.refused}))
        return f"the mail server refused {_recipients(len(self.refused))} at {domains} ({codes})"


def _recipients(number: int) -> str:
    return f"{number} recipient" if number == 1 else f"{number} recipients"


def check(settings: Settings) -> Server:
    """The mail server, after checking that the configuration has everything a mail needs.

    Raises:
        ConfigurationError: with what is missing.
    """
    if not (settings.email.sender and settings.email.recipients):
        raise ConfigurationError("To send mail, set email.from and email.recipients.")
    return smtp.server_of(settings)


def send_test(settings: Settings, recipient: str) -> None:
    """Send a short test mail to one address.

    Raises:
        ConfigurationError: if the server is not configured, or the address is outside
            `email.allowed_domains`.
        MailError: if the server did not accept it.
    """
    sender = parseaddr(settings.email.sender or "")[1]
    address = parseaddr(recipient)[1]
    allowed = {domain.lower().lstrip("@") for domain in settings.email.allowed_domains}
    if not address or (allowed and domain_of(address) not in allowed):
        raise ConfigurationError(
            f"{recipient} is not an address under email.allowed_domains; give another one with --to."
        )
    now = dt.datetime.now(settings.zone)
    message = EmailMessage(policy=POLICY)
    message["From"], message["To"] = sender, address
    message["Subject"] = f"{settings.email.subject_prefix} Test".strip()
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=domain_of(sender))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("This is a test of the enrollment report's mail. Nothing is wrong.\n")
    server = smtp.server_of(settings)
    handover = smtp.send(server, sender, (address,), message.as_bytes())
    for refusal in handover.refused:
        raise MailRefusedError(f"{server.description} refused the recipient ({refusal.codes}).")


def mail_report(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    day: dt.date,
    *,
    run_id: str,
    job: str,
) -> Mailed | None:
    """Mail the report of a day to those who do not have it yet; None if there is no report.

    Raises:
        ConfigurationError: if a setting is missing.
        MailError: if a recipient could not be reached in several tries.
        MailRefusedError: if the server refused the mail and nobody has it.
    """
    check(settings)
    recipients = settings.email.recipients
    if not ledger.outstanding(connection, settings, day, recipients):
        return Mailed(had_it=len(recipients))
    mail = compose_day(connection, settings, day)
    if mail is None:
        return None
    return send_day(connection, settings, day, mail, run_id=run_id, job=job)


def compose_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> DayMail | None:
    """Compose the mail of a day from its figures and published pictures; None without figures."""
    figures = read_figures(connection, settings, day)
    if figures is None:
        return None
    lists, listed = _student_lists(connection, settings, day)
    pictures = read_pictures(settings.report_path(day))
    return DayMail(compose(summary(figures, settings), pictures, settings, lists), listed)


def _student_lists(
    connection: duckdb.DuckDBPyConnection, settings: Settings, day: dt.date
) -> "tuple[list[StudentList], dict[tuple[str, str], int]]":
    """The day's added and dropped students, if `email.include_student_lists` is on."""
    if not settings.email.include_student_lists:
        return [], {}
    with plain_errors("Reading the students who were added and dropped"):
        rows = connection.execute(
            statement("mail_student_lists", settings), {"day": day, "most": MOST_STUDENTS}
        ).fetchall()
    lists = []
    for change in ("added", "dropped"):
        of_kind = [row for row in rows if row[0] == change]
        if of_kind:
            shown = tuple(StudentRow(row[2], row[3] or "", row[1]) for row in of_kind)
            title = f"{change.capitalize()} {settings.vocabulary.students}"
            lists.append(StudentList(title, shown, of_kind[0][4] - len(shown)))
    return lists, dict(Counter((row[1], row[0]) for row in rows))


def send_day(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    day: dt.date,
    mail: DayMail,
    *,
    run_id: str,
    job: str,
    first_pause: float = _FIRST_PAUSE,
) -> Mailed:
    """Send the mail of a day to those who do not have it, and try again after a temporary failure.

    Raises:
        MailError: if a recipient could not be reached; the others have the mail and get no second one.
        MailRefusedError: if the server refused the mail and nobody has it.
    """
    server = check(settings)
    recipients = settings.email.recipients

    def without_it() -> int:
        batches = ledger.outstanding(connection, settings, day, recipients)
        return sum(len(batch.recipients) for batch in batches)

    before = without_it()
    had_it = len(recipients) - before
    with plain_errors("Writing the ledger of student lists"), transaction(connection):
        for (term, change), rows in mail.listed.items():
            record_access(connection, (day, term, change, rows, "mail"), job)
    refused: dict[str, Refusal] = {}
    try:
        for attempt in _retrying(first_pause):
            with attempt:
                _try(connection, settings, server, day, mail.text, refused, run_id)
    except MailError as error:
        raise type(error)(
            f"The report of {day} was not mailed to {_recipients(without_it())}: {error} Once that is "
            f"fixed, `enrollment run --date {day} --email` mails it to those who do not have it."
        ) from None
    mailed = Mailed(before - without_it(), had_it, tuple(refused.values()))
    if not (mailed.accepted or mailed.had_it):
        raise MailRefusedError(
            f"The report of {day} was mailed to nobody: {mailed.refusals}; correct email.recipients."
        )
    return mailed


def _try(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    server: Server,
    day: dt.date,
    text: "MailText",
    refused: dict[str, Refusal],
    run_id: str,
) -> None:
    """Send the mail to all recipients who do not have it and were not refused permanently."""
    sender = parseaddr(settings.email.sender or "")[1]
    recipients = [address for address in settings.email.recipients if address not in refused]
    for batch in ledger.outstanding(connection, settings, day, recipients):
        sent_at = dt.datetime.now(settings.zone)
        message = address_to(text, settings, batch.recipients, batch.message_id, day, sent_at)
        ledger.note_sending(connection, day, batch, run_id)
        try:
            handover = smtp.send(server, sender, batch.recipients, message.as_bytes())
        except MailError as error:
            if not error.in_doubt:
                ledger.note_failure(connection, day, batch, str(error), run_id)
            raise
        ledger.note_handover(connection, day, batch, handover, run_id)
        refused |= {r.recipient: r for r in handover.refused if not r.is_temporary}
        deferred = [refusal for refusal in handover.refused if refusal.is_temporary]
        if deferred:
            codes = ", ".join(sorted({refusal.codes for refusal in deferred}))
            raise MailError(
                f"{server.description} deferred {_recipients(len(deferred))} ({codes})."
            )


def _retrying(first_pause: float) -> tenacity.Retrying:
    def note(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0
        progress.note(f"{error} Trying again in {seconds:.0f} seconds.")

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_TRIES),
        wait=tenacity.wait_exponential_jitter(
            multiplier=first_pause, max=_LONGEST_PAUSE, jitter=first_pause / 2
        ),
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, MailError) and error.transient
        ),
        before_sleep=note,
        reraise=True,
    )
