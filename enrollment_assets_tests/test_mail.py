"""The daily mail: what it holds, how it is handed over, and that nobody gets it twice or not at all."""

import datetime as dt
import random
import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from enrollment_assets import delivery
from enrollment_assets.delivery import DayMail, send_day
from enrollment_assets.errors import ConfigurationError, MailError, MailRefusedError
from enrollment_assets.reporting.mail import Picture, address_to, compose
from enrollment_assets.reporting.pictures import read_pictures, with_words, words_of
from enrollment_assets.reporting.summary import TermRow
from enrollment_assets.warehouse import deliveries
from enrollment_assets_tests.mail_servers import (
    POINTS,
    SUMMARY,
    FlakyServer,
    read_mail,
    serving,
    tls_server,
)
from enrollment_assets_tests.malicious import malicious_names, marker
from enrollment_assets_tests.soak import count

DEAN, BURSAR = "dean@example.edu", "bursar@example.edu"
DAY = SUMMARY.day


@pytest.fixture
def server():
    with serving(FlakyServer()) as found:
        yield found


@pytest.fixture
def mailing(university, server, monkeypatch):
    """A university that mails two people over a server on loopback."""
    university.change(
        email={
            "enabled": True,
            "from": "Registrar <registrar@example.edu>",
            "recipients": [DEAN, BURSAR],
        }
    )
    monkeypatch.setenv("SMTP_URL", server.url)
    return university


def send(university, date=DAY, mail=None):
    settings = university.settings
    with university.warehouse().connect() as connection:
        return send_day(
            connection,
            settings,
            date,
            mail or DayMail(compose(SUMMARY, (), settings)),
            run_id="run",
            job="job",
            first_pause=0.001,
        )


def ledger(university, columns="recipients, state"):
    return university.query(
        f"SELECT {columns} FROM operations.report_deliveries ORDER BY recorded_at, recipients"
    )


def test_a_day_is_mailed_once_to_each_recipient(mailing, server):
    assert send(mailing).words == "mailed to 2 recipients"
    assert send(mailing).words == "2 recipients had it already"
    mailing.change(
        email={
            **mailing.settings.email.model_dump(by_alias=True),
            "recipients": ["new@example.edu", DEAN],
        }
    )
    assert send(mailing).words == "mailed to 1 recipient; 1 recipient had it already"
    assert [who for who, _ in server.taken] == [DEAN, BURSAR, "new@example.edu"]
    assert ledger(mailing) == [(f"{DEAN},{BURSAR}", "sent"), ("new@example.edu", "sent")]


class KilledError(BaseException):
    """The process ends here, without a word to anybody."""


class Chaos:
    """A server that fails wherever it can, and a process that dies before or after it spoke to it.

    `doubts` holds the day of each mail of which the sender cannot know whether it arrived.
    """

    def __init__(self, server, monkeypatch):
        self.chance = random.Random(20260910)
        self.server = server
        self.current = DAY
        self.doubts = []
        self.kills = 0
        server.fails_at = self.fails_at
        monkeypatch.setattr(delivery.mailer, "send", self.dies_after(delivery.mailer.send))
        monkeypatch.setattr(
            delivery.deliveries, "note_sending", self.dies_after(delivery.deliveries.note_sending)
        )

    def fails_at(self):
        if self.chance.random() < 0.4:
            return None, 0
        point, code = self.chance.choice(POINTS), self.chance.choice((0, 451, 421))
        if point == "taken":
            self.doubts.append(self.current)
        return point, code

    def dies_after(self, step):
        def stepped(*arguments, **options):
            before = len(self.server.taken)
            done = step(*arguments, **options)
            if self.chance.random() < 0.12:
                self.kills += 1
                if len(self.server.taken) > before:
                    self.doubts.append(self.current)
                raise KilledError
            return done

        return stepped

    def send_until_done(self, university, date, mail):
        self.current = date
        for _ in range(50):
            with suppress(MailError, KilledError):
                send(university, date, mail)
                return
        pytest.fail(f"{date} was never mailed")


def test_a_server_that_fails_at_random_points_loses_no_mail_and_doubles_none_but_in_doubt(
    mailing, server, monkeypatch
):
    chaos = Chaos(server, monkeypatch)
    monkeypatch.setattr(delivery, "_TRIES", 2)
    mail = DayMail(compose(SUMMARY, (), mailing.settings))
    days = [DAY + dt.timedelta(number) for number in range(count(30, 100))]
    for date in days:
        chaos.send_until_done(mailing, date, mail)
    copies = Counter((who, read_mail(content)["Message-ID"]) for who, content in server.taken)
    # each recipient has each day's mail, and a day's mail has one Message-ID
    assert Counter(who for who, _ in copies) == {DEAN: len(days), BURSAR: len(days)}
    extra = {identifier: number - 1 for (_, identifier), number in copies.items()}
    allowed = Counter(
        deliveries.message_id(mailing.settings, d, "report", [DEAN, BURSAR]) for d in chaos.doubts
    )
    assert all(number <= allowed[identifier] for identifier, number in extra.items())
    assert sum(extra.values()) > 0  # the doubt was tried
    assert chaos.kills > 0
    assert server.sessions > 1.3 * len(days)
    assert mailing.query(
        "SELECT count(*) FROM operations.report_deliveries WHERE state = 'sending'"
    ) == [(0,)]


@pytest.mark.parametrize("kind", ["smtps", "smtp+starttls"])
def test_mail_goes_over_tls_with_a_login(mailing, tmp_path, monkeypatch, kind):
    with tls_server(kind, tmp_path) as (url, taken):
        mailing.change(email={**keys(mailing), "smtp_url": url})
        monkeypatch.setenv("SMTP_PASSWORD", "päss:w@rd%")
        with pytest.raises(
            MailRefusedError, match=r"certificate of localhost:\d+ .* SSL_CERT_FILE"
        ):
            send(mailing)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        monkeypatch.setenv("SMTP_PASSWORD", "wrong")
        with pytest.raises(
            MailRefusedError, match=r"refused user and password \(535 5\.7\.8\)"
        ) as wrong:
            send(mailing)
        assert "example.edu" not in str(wrong.value)
        monkeypatch.setenv("SMTP_PASSWORD", "päss:w@rd%")
        assert send(mailing).words == "mailed to 2 recipients"
        ((recipients, content),) = taken
    assert recipients == [DEAN, BURSAR]
    assert read_mail(content)["Subject"].startswith("[Enrollment] Test University 2024-09-10: ")


def keys(university):
    """The section `email` as it stands in the configuration."""
    return university.settings.email.model_dump(by_alias=True, mode="json")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtp://mail.example.edu:25", "sends in the clear"),
        ("https://mail.example.edu", "no address of a mail server"),
        ("smtps://user:secret@host:port", "is no address"),
        ("smtps:///path", "no address of a mail server"),
    ],
)
def test_an_address_that_is_not_safe_or_not_one_is_refused(mailing, monkeypatch, url, words):
    monkeypatch.setenv("SMTP_URL", url)
    with pytest.raises(ConfigurationError, match=words) as refused:
        send(mailing)
    assert "secret" not in str(refused.value)


def test_a_server_that_offers_no_starttls_is_sent_nothing(mailing, server, monkeypatch):
    port = server.server_address[1]
    monkeypatch.setenv("SMTP_URL", f"smtp+starttls://user:password@localhost:{port}")
    with pytest.raises(MailRefusedError, match="does not offer STARTTLS"):
        send(mailing)
    assert server.taken == []


def test_those_who_were_accepted_are_not_mailed_again(mailing, server):
    server.refuses = {BURSAR: 550}
    mailed = send(mailing)
    assert mailed.words == (
        "mailed to 1 recipient; the mail server refused 1 recipient at example.edu (550 5.1.1)"
    )
    again = send(mailing)  # the run is no failure because of one address that is wrong
    assert again.accepted == 0
    assert again.had_it == 1
    server.refuses = {BURSAR: 451}  # greylisted: put off for now
    with pytest.raises(MailError, match=r"put 1 recipient off \(451 4\.1\.1\)") as late:
        send(mailing)
    assert late.value.transient
    server.refuses = {}
    assert send(mailing).words == "mailed to 1 recipient; 1 recipient had it already"
    assert [who for who, _ in server.taken] == [DEAN, BURSAR]


def test_a_day_that_nobody_takes_is_a_failure_without_addresses(mailing, server):
    server.refuses = {DEAN: 550, BURSAR: 554}
    with pytest.raises(MailRefusedError, match=r"mailed to nobody: .* at example.edu") as refused:
        send(mailing)
    assert "dean" not in str(refused.value)
    assert not refused.value.transient


def test_a_server_that_is_down_for_a_moment_is_tried_again(mailing, server):
    answers = iter([("connect", 0), ("DATA", 451), ("RCPT", 421)])
    server.fails_at = lambda: next(answers, (None, 0))
    assert send(mailing).accepted == 2
    assert server.sessions == 4
    *tried, last = [state for _, state in ledger(mailing)]
    assert set(tried) == {"failed"}
    assert last == "sent"


def test_a_mail_in_doubt_is_sent_again_under_its_message_id(mailing, server, monkeypatch):
    monkeypatch.setattr(delivery, "_TRIES", 1)
    server.fails_at = lambda: ("taken", 0)
    with pytest.raises(MailError, match="may have arrived"):
        send(mailing)
    assert ledger(mailing) == [(f"{DEAN},{BURSAR}", "sending")]
    server.fails_at = lambda: (None, 0)
    mailing.change(email={**keys(mailing), "recipients": [DEAN, BURSAR, "new@example.edu"]})
    assert send(mailing).accepted == 3
    identifiers = [(who, read_mail(content)["Message-ID"]) for who, content in server.taken]
    assert len(identifiers) == 5
    assert len(set(identifiers)) == 3  # the two get the same mail again, the new one its own
    assert [state for _, state in ledger(mailing)] == ["sent", "sent"]


def test_a_recipient_outside_of_the_allowed_domains_is_refused(mailing):
    mailing.change(email={**keys(mailing), "allowed_domains": ["example.org"]})
    with pytest.raises(
        ConfigurationError, match=r"email: .*example.edu is none of allowed_domains"
    ):
        _ = mailing.settings


@pytest.mark.parametrize(
    "address",
    ["dean", "dean@", "a b@example.edu", "a@b@c", "x@example.edu\nBcc: y@z", "é@example.edu"],
)
def test_what_is_no_address_is_refused(mailing, address):
    mailing.change(email={**keys(mailing), "recipients": [address]})
    with pytest.raises(ConfigurationError, match=r"email\.recipients\[0\]"):
        _ = mailing.settings


def test_a_mail_holds_the_same_in_plain_text_and_html_with_its_pictures(mailing, server):
    settings = mailing.settings
    pictures = [Picture("trend", "Enrollment", 'Alt "text" & more', PIXEL)]
    send(mailing, mail=DayMail(compose(SUMMARY, pictures, settings)))
    message = read_mail(server.taken[0][1])
    assert [part.get_content_type() for part in message.walk()] == [
        *("multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"),
    ]
    plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for text in (
        "Fall 2024: 1,204 students",
        "more or less",
        "payment due",
        "3 rows had no id",
        "1,179",
    ):
        assert text in plain
        assert text in html
    assert "\N{EN DASH}" in plain  # not only ASCII survives
    image = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert f"cid:{image['Content-ID'].strip('<>')}" in html
    assert image.get_content() == PIXEL
    assert "&#34;text&#34; &amp; more" in html
    assert not re.search(r"(src|href|url\()\W*https?:", html)
    headers = {
        "From": "Registrar <registrar@example.edu>",
        "To": f"{DEAN}, {BURSAR}",
        "Auto-Submitted": "auto-generated",
        "List-Id": "Daily enrollment report <enrollment-report.example.edu>",
        "Precedence": None,
    }
    assert {name: message[name] for name in headers} == headers
    assert message["Date"].datetime.tzinfo


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccfc0"
    "5000000485018084a98c210000000049454e44ae426082"
)


def test_pictures_that_would_make_a_mail_too_large_are_left_out(mailing):
    large = [Picture(str(n), "t", "a", PIXEL + bytes(300_000)) for n in range(4)]
    text = compose(SUMMARY, large, mailing.settings)
    assert len(text.pictures) == 2
    content = address_to(text, mailing.settings, [DEAN], "<x@y>", DAY, NOW).as_bytes()
    assert len(content) < 1_000_000


NOW = dt.datetime(2024, 9, 10, 8, tzinfo=dt.UTC)


def test_500_malicious_names_change_nothing_in_a_mail(mailing):
    plain = mailing.settings
    for number, name in enumerate(malicious_names(500)):
        summary = replace(
            SUMMARY,
            institution=name,
            headline=f"{name}: 3",
            terms=(TermRow(name, "3", "+1", "", ""),),
            anomalies=(name,),
        )
        email = plain.email.model_copy(update={"subject_prefix": name})
        settings = plain.model_copy(update={"email": email})
        text = compose(summary, [Picture("trend", name, name, PIXEL)], settings)
        content = address_to(text, settings, [DEAN], "<x@example.edu>", DAY, NOW).as_bytes()
        message = read_mail(content)
        assert message.keys() == HEADERS, name
        assert message["To"] == DEAN
        assert [part.get_content_type() for part in message.walk()] == PARTS, name
        assert "owned" not in "".join(re.findall(r"<[^>]*>", tags_of(text.html)))
        assert marker(number) in text.html, name
        assert not set(text.subject) & set("\r\n\0\u202e\u2028")
        assert "<script" not in text.html
        assert "<svg" not in text.html


HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "List-Id"]
HEADERS += ["MIME-Version", "Content-Type"]
PARTS = ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]


def tags_of(html):
    """Without the values of attributes: what is between quotes there is text."""
    return re.sub(r'"[^"]*"', '""', html)


QUOTED = "1,204 \N{EN DASH} \N{LEFT DOUBLE QUOTATION MARK}x"


def test_the_words_of_a_picture_are_in_its_file(tmp_path):
    told = with_words(PIXEL, "Enrollment", QUOTED)
    assert words_of(told) == ("Enrollment", QUOTED)
    assert words_of(PIXEL) == ("", "")
    (tmp_path / "trend.png").write_bytes(told)
    (picture,) = read_pictures(tmp_path)
    assert picture == Picture("trend", "Enrollment", QUOTED, told)
