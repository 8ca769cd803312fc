"""The daily mail: what it holds, how it is handed over, and that nobody gets it twice or not at all."""

import datetime as dt
import random

import pytest

from enrollment_assets import delivery
from enrollment_assets.delivery import DayMail, send_day
from enrollment_assets.errors import MailError, MailRefusedError
from enrollment_assets.reporting.mail import compose
from enrollment_assets_tests.conftest import day
from enrollment_assets_tests.mail_servers import (
    IN_DOUBT,
    POINTS,
    SUMMARY,
    FlakyServer,
    read_mail,
    serving,
)
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


def test_a_server_that_fails_at_random_points_loses_no_mail_and_doubles_none_but_in_doubt(
    mailing, server, monkeypatch
):
    chance = random.Random(20260910)
    mail = DayMail(compose(SUMMARY, (), mailing.settings))
    doubts, killed = [], []

    def fails_at():
        if chance.random() < 0.4:
            return None, 0
        point, code = chance.choice(POINTS), chance.choice((0, 451, 421))
        if point in IN_DOUBT and (point == "taken" or not code):
            doubts.append(current)
        return point, code

    def dies(what, where):
        def step(*arguments, **options):
            before = len(server.taken)
            if where == "before" and chance.random() < 0.1:
                raise KilledError
            done = what(*arguments, **options)
            if where == "after" and chance.random() < 0.15:
                killed.append(current)
                if len(server.taken) > before:
                    doubts.append(current)
                raise KilledError
            return done

        return step

    server.fails_at = fails_at
    monkeypatch.setattr(delivery.mailer, "send", dies(delivery.mailer.send, "after"))
    monkeypatch.setattr(
        delivery.deliveries, "note_sending", dies(delivery.deliveries.note_sending, "before")
    )
    monkeypatch.setattr(delivery, "_TRIES", 2)
    days = [DAY + dt.timedelta(number) for number in range(count(30, 100))]
    for current in days:
        for _ in range(50):
            try:
                send(mailing, current, mail)
                break
            except (MailError, KilledError):
                continue
        else:
            pytest.fail(f"{current} was never mailed")
    copies = {}
    for who, content in server.taken:
        copies.setdefault((who, read_mail(content)["Message-ID"]), []).append(content)
    # one Message-ID for each day and recipient set, and every recipient has every day
    for who in (DEAN, BURSAR):
        assert sum(1 for found, _ in copies if found == who) == len(days)
    doubled = {identifier for (_, identifier), found in copies.items() if len(found) > 1}
    for identifier in doubled:
        extra = max(len(found) for (_, known), found in copies.items() if known == identifier) - 1
        assert extra <= sum(1 for date in doubts if f".{date}." in identifier)
    assert killed
    assert doubled
    assert server.sessions > 150
    print(
        f"{len(days)} days, {server.sessions} sessions, {len(doubts)} in doubt, {len(doubled)} doubled"
    )
