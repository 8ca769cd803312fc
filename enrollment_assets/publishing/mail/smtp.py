"""Speaks SMTP: a session with the configured server, and one mail to one set of recipients.

What the server answers is told by its code alone: its words may repeat an address.
"""

import base64
import ipaddress
import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from enrollment_assets.config import Settings
from enrollment_assets.config.environment import expand_address
from enrollment_assets.config.fields import domain_of
from enrollment_assets.errors import ConfigurationError, MailError, MailRefusedError

_KEY = "email.smtp_url"
_PORTS = {"smtps": 465, "smtp+starttls": 587, "smtp": 25}
_KINDS = (
    "smtps://user:password@host:465, smtp+starttls://user:password@host:587, or smtp://host:port for a "
    "loopback address"
)
# A server that says nothing for so long is gone.
_SECONDS = 30.0
# After the last byte it may look for viruses and spam first. Who hangs up sooner gets mails doubled
# (RFC 5321, 4.5.3.2.6, asks for ten minutes); a run holds the warehouse meanwhile.
_ANSWER_SECONDS = 300.0

_READY = 354
_OK = range(200, 300)
_TEMPORARY = range(400, 500)


@dataclass(frozen=True)
class Server:
    """Where mail is handed over, and how."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def words(self) -> str:
        """The server without its login."""
        kind = {"smtps": "TLS", "smtp+starttls": "STARTTLS", "smtp": "no encryption, loopback"}
        return f"{self.host}:{self.port} ({kind[self.scheme]})"


@dataclass(frozen=True)
class Refusal:
    """A recipient whom the server did not take, and its code, such as 550 5.1.1."""

    recipient: str
    code: int
    words: str

    @property
    def is_temporary(self) -> bool:
        """Whether the server may take it later."""
        return self.code in _TEMPORARY


@dataclass(frozen=True)
class Handover:
    """What came of one transaction: the server has the mail for those who were accepted."""

    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()


def server_of(settings: Settings) -> Server:
    """The server under `email.smtp_url`, with its login from the environment.

    Raises:
        ConfigurationError: if it is no such address; the message holds nothing of it.
    """
    try:
        parts = urlsplit(expand_address(settings.email.smtp_url, _KEY))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{_KEY} is no address; use {_KINDS}.") from None
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query:
        raise ConfigurationError(f"{_KEY} is no address of a mail server; use {_KINDS}.")
    if parts.scheme == "smtp" and not _is_loopback(host):
        raise ConfigurationError(
            f"{_KEY}: smtp:// sends in the clear, and {host} is another machine; use smtp+starttls:// "
            "or smtps://."
        )
    return Server(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def look(server: Server, sender_domain: str) -> None:
    """Log in and out again; no mail is sent.

    Raises:
        MailError: if that does not work; the message says what to do.
    """
    with _session(server, sender_domain) as smtp, _in_words(server, "asking for a sign of life"):
        _expect_ok(server, "NOOP", *smtp.noop())


def send(
    server: Server,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    *,
    answer_seconds: float = _ANSWER_SECONDS,
) -> Handover:
    """Hand one mail over for these recipients, in one transaction; it may accept some, or none.

    Raises:
        MailError: if nobody got it this time; `in_doubt` if it may have arrived all the same.
        MailRefusedError: if the server will not take this mail, or none from here.
    """
    with _session(server, domain_of(sender)) as smtp:
        with _in_words(server, "handing over"):
            options = [f"size={len(content)}"] if smtp.has_extn("size") else []
            _expect_ok(server, "the sender", *smtp.mail(sender, options))
            refused = []
            for recipient in recipients:
                code, text = smtp.rcpt(recipient)
                if code not in _OK:
                    refused.append(Refusal(recipient, code, _code(code, text)))
            accepted = tuple(set(recipients) - {refusal.recipient for refusal in refused})
            if not accepted:
                return Handover((), tuple(refused))
            code, text = smtp.docmd("DATA")
            if code != _READY:
                raise _refused(server, "the mail", code, text)
            # RFC 5321, 4.5.2: a dot alone ends the mail, so that one at a line's start is doubled.
            smtp.send(re.sub(rb"(?m)^\.", b"..", content))
        _end(server, smtp, answer_seconds)
    return Handover(
        tuple(recipient for recipient in recipients if recipient in accepted), tuple(refused)
    )


def _end(server: Server, smtp: smtplib.SMTP, answer_seconds: float) -> None:
    """Send the last byte and wait for the word that the server has the mail.

    Raises:
        MailError: if no answer came; it is in doubt then whether the mail arrived.
    """
    try:
        if smtp.sock:
            smtp.sock.settimeout(answer_seconds)
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"{server.host} did not say whether it took the mail ({_reason(error)}): it may have "
            "arrived.",
            in_doubt=True,
        ) from None
    _expect_ok(server, "the mail", code, text)


@contextmanager
def _session(server: Server, name: str) -> Iterator[smtplib.SMTP]:
    """A session that is encrypted and logged in. `name` is who we say we are: the sender's domain.

    Raises:
        MailError: if there is none to be had.
    """
    smtp: smtplib.SMTP | None = None
    try:
        with _in_words(server, "opening a session"):
            if server.scheme == "smtps":
                smtp = smtplib.SMTP_SSL(
                    server.host,
                    server.port,
                    local_hostname=name,
                    timeout=_SECONDS,
                    context=ssl.create_default_context(),
                )
            else:
                smtp = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=_SECONDS)
            smtp.ehlo_or_helo_if_needed()
            if server.scheme == "smtp+starttls":
                _expect_ok(server, "STARTTLS", *smtp.starttls(context=ssl.create_default_context()))
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                _login(server, smtp)
        yield smtp
        with suppress(
            smtplib.SMTPException, OSError
        ):  # it has the mail: a good-bye changes nothing
            smtp.quit()
    finally:
        if smtp is not None:
            smtp.close()


def _login(server: Server, smtp: smtplib.SMTP) -> None:
    """Log in. PLAIN carries UTF-8 (RFC 4616), which smtplib's own would not let through."""
    if "PLAIN" not in smtp.esmtp_features.get("auth", "").upper().split():
        smtp.login(server.user, server.password)
        return
    secret = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    _expect_ok(server, "user and password", *smtp.docmd("AUTH", f"PLAIN {secret}"))


@contextmanager
def _in_words(server: Server, doing: str) -> Iterator[None]:
    """Tell what went wrong, and whether trying again can help.

    Raises:
        MailError: with the server and its code, no address and no secret.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailRefusedError(
            f"The certificate of {server.words} does not hold: {error.verify_message}. Correct "
            f"the host in {_KEY}, or name your own authority with the variable SSL_CERT_FILE."
        ) from None
    except smtplib.SMTPAuthenticationError as error:
        raise _refused(server, "user and password", error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefusedError(
            f"{server.words} does not offer STARTTLS, or no login that is known here; see {_KEY}."
        ) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(server, doing, error.smtp_code, error.smtp_error) from None
    except UnicodeError:
        raise MailRefusedError(
            f"User or password in {_KEY} hold letters that SMTP cannot carry; use ASCII."
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailError(
            f"{server.words} did not answer while {doing} ({_reason(error)})."
        ) from None


def _expect_ok(server: Server, what: str, code: int, text: bytes) -> None:
    if code not in _OK:
        raise _refused(server, what, code, text)


def _refused(server: Server, what: str, code: int, text: bytes | str) -> MailError:
    kind = MailError if code in _TEMPORARY or code < 0 else MailRefusedError
    return kind(f"{server.words} refused {what} ({_code(code, text)}).")


def _code(code: int, text: bytes | str) -> str:
    """The server's code with the enhanced one of RFC 3463, if it gave one."""
    words = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", words)
    return f"{code} {enhanced[0]}" if enhanced else str(code)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection was closed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
