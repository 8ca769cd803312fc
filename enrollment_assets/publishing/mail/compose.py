"""Composes the daily mail: the texts of the page as HTML (made with MJML) and plain text, with charts.

It has no List-Unsubscribe header: recipients are in the configuration, and no address removes them
automatically. The footer says who to ask.
"""

from __future__ import annotations

import datetime as dt
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enrollment_assets.config import Settings
from enrollment_assets.config.fields import domain_of
from enrollment_assets.publishing.reports.formatting import count, plain, shortened
from enrollment_assets.publishing.reports.pictures import Picture
from enrollment_assets.publishing.reports.texts import DaySummary
from enrollment_assets.support.lazy import lazy

if TYPE_CHECKING:
    import jinja2
else:
    jinja2 = lazy("jinja2")

# Mail servers refuse large mails: pictures beyond this size are only on the page.
MOST_BYTES = 900_000
MOST_STUDENTS = 200
_LONGEST_SUBJECT = 180
# Every server accepts messages of seven bits.
POLICY = email.policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True)
class StudentRow:
    """One student who was added or dropped on the day."""

    student_id: str
    student_name: str
    term: str


@dataclass(frozen=True)
class StudentList:
    """Students of one kind of change, at most `MOST_STUDENTS`; `more` are not listed."""

    title: str
    rows: tuple[StudentRow, ...]
    more: int = 0

    @property
    def more_text(self) -> str:
        """How many students are not listed; empty if all are."""
        return f"and {count(self.more)} more" if self.more else ""


@dataclass(frozen=True)
class MailText:
    """What a mail says, without its recipients."""

    subject: str
    plain: str
    html: str
    pictures: tuple[Picture, ...]


def compose(
    summary: DaySummary,
    pictures: Sequence[Picture],
    settings: Settings,
    lists: Sequence[StudentList] = (),
) -> MailText:
    """Compose the mail of a day; if its pictures are too large, the last ones are left out."""
    from mjml import mjml2html

    kept = _small_enough(pictures)
    subject = _subject(summary, settings)
    values = {
        "subject": subject,
        "summary": _cleaned(summary),
        "vocabulary": settings.vocabulary,
        "primary": settings.reports.primary_color,
        "accent": settings.reports.accent_color,
        "remarks": [
            (title, [plain(line) for line in lines])
            for title, lines in (
                ("Anomalies", summary.anomalies),
                ("Data quality", summary.quality),
            )
            if lines
        ],
        "pictures": [
            {"cid": _cid(p, summary.day), "title": plain(p.title), "alt": plain(p.alt)}
            for p in kept
        ],
        "lists": _cleaned(tuple(lists)),
        "footer": f"You are on {plain(summary.institution)}'s {plain(settings.vocabulary.enrollment)} "
        "report list. To unsubscribe, contact the sender. Small groups are withheld.",
    }
    markup = _environment(autoescape=True).get_template("mail.mjml.j2").render(values)
    text = _environment(autoescape=False).get_template("mail.txt.j2").render(values)
    html: str = mjml2html(markup, disable_comments=False, fonts={})
    return MailText(subject, _few_blank_lines(text), html, kept)


def address_to(
    text: MailText,
    settings: Settings,
    recipients: Sequence[str],
    message_id: str,
    day: dt.date,
    sent_at: dt.datetime,
) -> EmailMessage:
    """The message for these recipients; `sent_at` is the moment at which it is sent."""
    sender_name, sender = parseaddr(settings.email.sender or "")
    message = EmailMessage(policy=POLICY)
    message["From"] = Address(plain(sender_name), addr_spec=sender)
    message["To"] = [Address(addr_spec=recipient) for recipient in recipients]
    message["Subject"] = text.subject
    message["Date"] = format_datetime(sent_at)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message["List-Id"] = f"Daily enrollment report <enrollment-report.{domain_of(sender)}>"
    message.set_content(text.plain)
    message.add_alternative(text.html, subtype="html")
    body = message.get_payload()[1]  # type: ignore[index]
    for picture in text.pictures:
        body.add_related(  # type: ignore[union-attr]
            picture.png,
            "image",
            "png",
            cid=f"<{_cid(picture, day)}>",
            filename=f"{picture.name}.png",
            disposition="inline",
        )
    return message


def _subject(summary: DaySummary, settings: Settings) -> str:
    """One line: `plain` removes every control character.

    What looks like an encoded word (RFC 2047) could be decoded into anything, so it is broken up.
    """
    prefix = plain(settings.email.subject_prefix)
    line = f"{prefix} {plain(summary.institution)} {summary.day}: {plain(summary.headline)}"
    return shortened(line.strip(), _LONGEST_SUBJECT).replace("=?", "= ?")


def _cid(picture: Picture, day: dt.date) -> str:
    return f"{picture.name}.{day}@enrollment-report"


def _small_enough(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    kept: list[Picture] = []
    size = 0
    for picture in pictures:
        size += len(picture.png) * 4 // 3  # as base64
        if size > MOST_BYTES:
            break
        kept.append(picture)
    return tuple(kept)


def _cleaned(value: Any) -> Any:
    """The texts of a summary or of lists without control characters, which XML cannot hold."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, tuple):
        return tuple(_cleaned(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _cleaned(getattr(value, f.name)) for f in fields(value)})
    return value


def _few_blank_lines(text: str) -> str:
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    # Two dashes and a space begin a signature.
    return "\n".join("-- " if line == "--" else line for line in lines) + "\n"


@lru_cache(maxsize=2)
def _environment(*, autoescape: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("enrollment_assets.publishing.mail"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
