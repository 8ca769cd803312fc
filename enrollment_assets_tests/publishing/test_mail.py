"""The daily mail: what it holds, how it is handed over, and that nobody gets it twice or not at all."""

import datetime as dt
import mailbox
import random
import re
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from email import message_from_binary_file, policy

import dagster as dg
import pytest

from enrollment_assets.cli.running import execute
from enrollment_assets.errors import ConfigurationError, MailError, MailRefusedError, WarehouseError
from enrollment_assets.pipeline.names import DAILY, REPORTS
from enrollment_assets.publishing.mail import delivery, smtp
from enrollment_assets.publishing.mail import ledger as deliveries
from enrollment_assets.publishing.mail.compose import StudentList, StudentRow, address_to, compose
from enrollment_assets.publishing.mail.delivery import DayMail, send_day
from enrollment_assets.publishing.reports.pictures import (
    Picture,
    embed_texts,
    read_pictures,
    read_texts,
)
from enrollment_assets.publishing.reports.texts import TermRow
from enrollment_assets_tests.conftest import day, require, student
from enrollment_assets_tests.support.channels import open_channel
from enrollment_assets_tests.support.commands import enrollment, said
from enrollment_assets_tests.support.mail_servers import (
    EXIM,
    POINTS,
    SUMMARY,
    FlakyServer,
    exim,
    read_mail,
    serving,
    tls_server,
    wait_for,
)
from enrollment_assets_tests.support.malicious import malicious_names, marker
from enrollment_assets_tests.support.soak import count

DEAN, BURSAR = "dean@example.edu", "bursar@example.edu"
DAY = SUMMARY.day


@pytest.fixture
def server():
    with serving(FlakyServer()) as found:
        yield found


def mailing_over(server, university, monkeypatch):
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


@pytest.fixture
def mailing(university, server, monkeypatch):
    return mailing_over(server, university, monkeypatch)


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
    assert send(mailing).outcome == "mailed to 2 recipients"
    assert send(mailing).outcome == "2 recipients had it already"
    mailing.change(
        email={
            **mailing.settings.email.model_dump(by_alias=True),
            "recipients": ["new@example.edu", DEAN],
        }
    )
    assert send(mailing).outcome == "mailed to 1 recipient; 1 recipient had it already"
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
        monkeypatch.setattr(delivery.smtp, "send", self.dies_after(delivery.smtp.send))
        monkeypatch.setattr(
            delivery.ledger, "note_sending", self.dies_after(delivery.ledger.note_sending)
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
    days = [DAY + dt.timedelta(number) for number in range(count(25, 100))]
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
        assert send(mailing).outcome == "mailed to 2 recipients"
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
        ("https://mail.example.edu", "not the address of a mail server"),
        ("smtps://user:secret@host:port", "is not an address"),
        ("smtps:///path", "not the address of a mail server"),
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
    assert mailed.outcome == (
        "mailed to 1 recipient; the mail server refused 1 recipient at example.edu (550 5.1.1)"
    )
    again = send(mailing)  # the run is no failure because of one address that is wrong
    assert again.accepted == 0
    assert again.had_it == 1
    server.refuses = {BURSAR: 451}  # greylisted: put off for now
    with pytest.raises(MailError, match=r"deferred 1 recipient \(451 4\.1\.1\)") as late:
        send(mailing)
    assert late.value.transient
    server.refuses = {}
    assert send(mailing).outcome == "mailed to 1 recipient; 1 recipient had it already"
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


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("registrar@example.edu", "registrar@example.edu"),
        ("B\u00fcro, Zentrale <registrar@example.edu>", None),
        (
            '"B\u00fcro, Zentrale" <registrar@EXAMPLE.edu>',
            '"B\u00fcro, Zentrale" <registrar@EXAMPLE.edu>',
        ),
        ("Registrar <registrar>", None),
        ("x\r\nBcc: y@example.edu <registrar@example.edu>", None),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(mailing, sender, shown):
    mailing.change(email={**keys(mailing), "from": sender})
    if shown is None:
        with pytest.raises(ConfigurationError, match=r"email\.from"):
            _ = mailing.settings
        return
    text = compose(SUMMARY, (), mailing.settings)
    message = address_to(text, mailing.settings, [DEAN], "<x@y>", DAY, NOW)
    assert read_mail(message.as_bytes())["From"] == shown


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
        listed = StudentList(name, (StudentRow(name, name, name),), 3)
        text = compose(summary, [Picture("trend", name, name, PIXEL)], settings, [listed])
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
    told = embed_texts(PIXEL, "Enrollment", QUOTED)
    assert read_texts(told) == ("Enrollment", QUOTED)
    assert read_texts(PIXEL) == ("", "")
    (tmp_path / "trend.png").write_bytes(told)
    (picture,) = read_pictures(tmp_path)
    assert picture == Picture("trend", "Enrollment", QUOTED, told)


ASKED = (("enrollment/notify", "email"),)


def run_day(university, date, *, last=None, tags=ASKED, job=REPORTS):
    return execute(university.settings, job, day(date), day(last or date), tags=dict(tags))


def said_of_mail(instance, outcome):
    """What a run's `report_email` says of itself."""
    newest = instance.fetch_materializations(dg.AssetKey("report_email"), limit=50).records
    (metadata,) = [r.asset_materialization.metadata for r in newest if r.run_id == outcome.run_id][
        :1
    ]
    return {name: value.value for name, value in metadata.items()}


def two_of_three_days(university):
    """Sixty marked students; two leave and one comes, day after day. The last day is not run."""
    people = [
        student(f"SECRET{n:03d}", student_name=f"Hidden Person{n:03d}", program=f"P{n % 3}")
        for n in range(70)
    ]
    for number, date in enumerate(("2024-09-08", "2024-09-09", "2024-09-10")):
        university.write(date, people[2 * number : 60 + number])
    assert university.run("2024-09-08", "2024-09-09").success


@pytest.fixture
def three_days(filled_by, server, monkeypatch):
    return mailing_over(server, filled_by(two_of_three_days), monkeypatch)


def test_a_run_that_was_asked_to_mails_its_day_once(three_days, server, dagster_instance):
    three_days.run("2024-09-10")
    quiet = run_day(three_days, "2024-09-08", last="2024-09-09", tags=())
    assert quiet.success, quiet.failures
    assert "range of days" in said_of_mail(dagster_instance, quiet)["not_mailed"]
    range_with_tag = run_day(three_days, "2024-09-08", last="2024-09-09")
    assert "range of days" in said_of_mail(dagster_instance, range_with_tag)["not_mailed"]
    backfill = run_day(
        three_days,
        "2024-09-09",
        tags=(("enrollment/notify", "email"), ("dagster/backfill", "abc")),
    )
    assert "a backfill" in said_of_mail(dagster_instance, backfill)["not_mailed"]
    unasked = run_day(three_days, "2024-09-10", tags=())
    assert "was not asked to" in said_of_mail(dagster_instance, unasked)["not_mailed"]
    assert server.taken == []
    asked = run_day(three_days, "2024-09-10")
    assert asked.success, asked.failures
    assert said_of_mail(dagster_instance, asked) == {
        "mailed": 2,
        "had_it_already": 0,
        "refused": "none",
    }
    again = run_day(three_days, "2024-09-10")
    assert said_of_mail(dagster_instance, again)["had_it_already"] == 2
    assert [who for who, _ in server.taken] == [DEAN, BURSAR]
    content = server.taken[0][1]
    message = read_mail(content)
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds.count("image/png") == 3
    assert len(content) < 1_000_000
    everything = "".join(
        part.get_content() for part in message.walk() if part.get_content_maintype() == "text"
    ) + str(message.items())
    assert "58" in everything
    assert "SECRET" not in everything
    assert "Hidden" not in everything
    three_days.change(email={**keys(three_days), "enabled": False})
    off = run_day(three_days, "2024-09-10")
    assert said_of_mail(dagster_instance, off) == {"not_mailed": "email.enabled is false"}


def test_lists_of_students_are_in_the_mail_only_where_that_is_switched_on(three_days, server):
    three_days.run("2024-09-10")
    three_days.change(email={**keys(three_days), "include_student_lists": True})
    assert run_day(three_days, "2024-09-10").success
    message = read_mail(server.taken[0][1])
    for kind in ("plain", "html"):
        text = message.get_body((kind,)).get_content()
        listed = set(re.findall(r"SECRET\d+", text))
        assert listed == {"SECRET002", "SECRET003", "SECRET061"}
        assert "Hidden Person061" in text
    assert "SECRET" not in str(message.items())
    assert three_days.query(
        "SELECT term, what, row_count, place, taken_by FROM operations.student_list_access ORDER BY ALL"
    ) == [("2024FA", "added", 1, "mail", REPORTS), ("2024FA", "dropped", 2, "mail", REPORTS)]


def test_a_long_list_of_students_ends_with_a_number(mailing):
    rows = tuple(StudentRow(str(n), "", "T") for n in range(3))
    text = compose(SUMMARY, (), mailing.settings, [StudentList("Added students", rows, more=17)])
    assert "and 17 more" in text.plain
    assert "and 17 more" in text.html


def test_a_day_that_is_missing_is_mailed_to_nobody(three_days, server):
    assert not run_day(three_days, "2024-09-11", job=DAILY).success
    assert server.sessions == 0


def test_figures_with_an_error_are_not_mailed(three_days, server, monkeypatch):
    from enrollment_assets.pipeline import findings as quality
    from enrollment_assets.pipeline.changes import checks as changes

    wrong = quality.Finding("changes_reconcile", False, is_error=True, figures={})
    monkeypatch.setattr(changes, "changes_reconcile", lambda _: wrong)
    outcome = run_day(three_days, "2024-09-10", job=DAILY)
    assert not outcome.success
    assert "The mail of 2024-09-10 is held: changes_reconcile found an error" in outcome.failures[0]
    assert server.sessions == 0


def test_nothing_is_mailed_where_an_asset_of_the_run_failed(three_days, server, monkeypatch):
    def fail(*_, **__):
        raise WarehouseError("no")

    monkeypatch.setattr("enrollment_assets.pipeline.insight.models.detect", fail)
    outcome = run_day(three_days, "2024-09-10", job=DAILY)
    assert not outcome.success
    assert "The mail of 2024-09-10 is held: enrollment_anomalies failed." in outcome.failures
    assert server.sessions == 0
    assert (three_days.settings.report_path(DAY) / "report.html").exists()


def test_a_mail_server_that_is_down_fails_the_run_in_words(three_days, server, monkeypatch):
    three_days.run("2024-09-10")
    monkeypatch.setattr(delivery, "_TRIES", 2)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.01)
    server.fails_at = lambda: ("connect", 0)
    outcome = run_day(three_days, "2024-09-10")
    (words,) = outcome.failures
    assert words.startswith("The report of 2024-09-10 was not mailed to 2 recipients: 127.0.0.1:")
    assert "password" not in words
    assert "dean" not in words
    server.fails_at = lambda: (None, 0)
    assert run_day(three_days, "2024-09-10").success
    assert len(server.taken) == 2


def told(done):
    return done.returncode, said(done)


@pytest.fixture
def mail_server():
    """The port of a real mail server with two mailboxes, and its folder."""
    require(EXIM is not None, "exim4 (exim4-daemon-light) is not installed")
    with exim(["dean", "bursar"]) as found:
        yield found


def test_a_command_mails_over_a_real_mail_server_into_mailboxes(
    three_days, mail_server, monkeypatch
):
    recipients = [DEAN, BURSAR, "nobody@example.edu"]
    port, folder = mail_server
    monkeypatch.setenv("SMTP_URL", f"smtp+starttls://user:password@localhost:{port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    three_days.change(email={**keys(three_days), "recipients": recipients})
    code, words = told(enrollment(three_days, "doctor"))
    assert f"mail: 3 recipients through localhost:{port} (STARTTLS), login accepted" in words
    assert code == 0, words
    code, words = told(enrollment(three_days, "run", "--date", "2024-09-10", "--email"))
    assert code == 0, words
    assert (
        "mailed to 2 recipients; the mail server refused 1 recipient at example.edu (550)" in words
    )
    wait_for(
        lambda: all(list((folder / "mail" / who / "new").glob("*")) for who in ("dean", "bursar"))
    )
    code, words = told(enrollment(three_days, "run", "--date", "2024-09-10", "--email"))
    assert "2 recipients had it already" in words
    boxes = [
        list(mailbox.Maildir(folder / "mail" / who, factory=parse)) for who in ("dean", "bursar")
    ]
    assert [len(box) for box in boxes] == [1, 1]
    (message,) = boxes[0]
    assert message["Received"]
    assert message["Message-ID"] == boxes[1][0]["Message-ID"]
    assert message["Subject"].startswith("[Enrollment] Test University 2024-09-10: ")
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [*PARTS[:-1], *["image/png"] * 3]
    html = message.get_body(("html",))
    assert html.get_content_charset() == "utf-8"
    images = [part for part in message.walk() if part.get_content_type() == "image/png"]
    for image in images:
        assert f"cid:{image['Content-ID'].strip('<>')}" in html.get_content()
        published = three_days.settings.report_path(DAY) / image.get_filename()
        assert image.get_content() == published.read_bytes()
    assert all(read_texts(image.get_content())[1] in html.get_content() for image in images)


def parse(file):
    return message_from_binary_file(file, policy=policy.default)


def test_a_command_that_fails_tells_the_alert_addresses_and_nobody_else(
    three_days, command, server
):
    with open_channel() as service:
        three_days.change(alerts={"urls": [service.address]})
        code, words = told(command("run", "--date", "2024-09-11", "--email"))
        assert code == 1
        assert "Alert sent." in words
        (message,) = service.sent
        assert message.startswith("Test University: the report was not mailed, and 1 more\n")
        assert "daily_enrollment_job 2024-09-11 failed: 2024-09-11: missing" in message
        service.works = False
        code, words = told(command("run", "--date", "2024-09-12", "--email"))
        assert code == 1
        assert "Alert: An alert was not delivered to 1 of 1 addresses" in words
        code, words = told(command("status"))
        assert "2 alerts have not been delivered since" in words
    assert server.sessions == 0


def test_a_server_that_drips_is_given_up_after_the_whole_time(monkeypatch):
    monkeypatch.setattr(smtp, "_WHOLE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    while True:
                        connection.sendall(b"220-wait\r\n")
                        time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        server = smtp.Server("smtp", "127.0.0.1", listening.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(MailError):
            smtp.check_login(server, "example.edu")
        assert time.monotonic() - began < 10
