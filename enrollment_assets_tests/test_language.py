"""Plain US English: words that are left behind stay out of everything a person reads.

The words, and the glossary that replaces them, are in docs/architecture.md, Words.
"""

import re
from pathlib import Path

import click
import pytest

import enrollment_assets
from enrollment_assets.cli.main import COMMANDS, cli
from enrollment_assets_tests.test_docs import every_page, prose

PACKAGE = Path(enrollment_assets.__file__).parent
SOURCES = sorted(path for kind in ("py", "sql", "j2") for path in PACKAGE.rglob(f"*.{kind}"))

# Riddles: somebody who did not build the platform would stumble over them.
RIDDLES = (
    r"stands?(?! (?:for|out)\b)|stood|told|tak(?:e|es|en|ing)[ _]in|throw(?:s|n)? out|thrown_out|thrown"
    r"|whom|let one expect|the doubt falls|stays out|made good|make_good"
)
BRITISH = (
    r"enrolments?|colours?|licences?|catalogues?|recognis\w+|organis\w+|behaviou\w+|neighbou\w+"
    r"|analyse[ds]?|centre|favou\w+|programmes?|cancelled"
)
LEFT_BEHIND = re.compile(rf"\b(?:{RIDDLES}|{BRITISH})\b|\d %", re.IGNORECASE)


# A key of files that version 0.1.0 left behind.
OLD_KEY = '"told"'


def hits(text: str) -> list[str]:
    return [match[0] for match in LEFT_BEHIND.finditer(text)]


@every_page
def test_pages_use_plain_american_words(page):
    assert hits(prose(page)) == []


@pytest.mark.parametrize("name", ["enrollment", *COMMANDS])
def test_the_help_of_a_command_uses_plain_american_words(name):
    context = click.Context(cli, info_name="enrollment")
    command = cli if name == "enrollment" else cli.get_command(context, name)
    text = command.get_help(click.Context(command, info_name=name))
    assert "Usage:" in text
    assert hits(text) == []


def test_the_package_has_templates_texts_and_queries_to_read():
    assert {path.suffix for path in SOURCES} == {".py", ".sql", ".j2"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_templates_code_and_queries_use_no_riddles(path):
    text = path.read_text().replace(OLD_KEY, "")
    found = re.findall(rf"\b(?:{RIDDLES})\b", text, re.IGNORECASE)
    assert found == []
    if path.suffix == ".j2":
        # Without tags, comments (old pages are found by theirs) and styles.
        unread = r"\{[{%#].*?[}%#]\}|<!--.*?-->|<style>.*?</style>"
        assert hits(re.sub(unread, "", text, flags=re.DOTALL)) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("What stood before stays", "stood"),
        ("alerts.urls were told", "told"),
        ("not one day was taken in", "taken in"),
        ("sent to those whom it knows", "whom"),
        ("+250 (+2.9 %)", "9 %"),
        ("the enrolment", "enrolment"),
    ],
)
def test_the_list_finds_what_it_is_for(text, word):
    assert hits(text) == [word]
    assert hits("A snapshot stands for a day; 2.9% more understand it.") == []
