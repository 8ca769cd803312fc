"""What the documentation names exists: links, commands with their options, targets, paths, tables."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import enrollment_assets
from enrollment_assets.cli.main import COMMANDS, cli
from enrollment_assets.config import Settings, load_settings
from enrollment_assets.schema.sql_files import folders
from enrollment_assets_tests.config.test_reference import mistakes
from enrollment_assets_tests.conftest import CHECKOUT, CONFIG
from enrollment_assets_tests.support import table_pages

PACKAGE = Path(enrollment_assets.__file__).parent
DOCS = CHECKOUT / "docs"
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(CHECKOUT.glob("examples/*/README.md")),
]
LANGUAGES = ("sh", "ini", "yaml", "sql", "python", "toml", "mermaid")
# Names in examples of the pages, and options of file systems.
EXAMPLES = {
    *("fact_subscription_daily", "new_customers"),
    *("client_keys", "known_hosts", "account_name", "account_key", "connection_string"),
}
every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT))
)

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What a line of a shell may have before a command: a prompt, a cron time, a folder, variables.
BEFORE = r"^\s*(?:\$ )?(?:[\d*/]+ [\d*/]+ \S+ \S+ \S+ +)?(?:cd \S+ && )?(?:[A-Z_]+=\S+ )*(?:\S*/)?"
COMMAND = re.compile(BEFORE + r"enrollment ((?!\.)[a-z].*)$", re.MULTILINE)
TARGETS = re.compile(r"^(?:[A-Z_]+=\S+ )*make((?: [a-z-]+| [A-Z]+=\S+)+)", re.MULTILINE)
PLACEHOLDERS = {"D": "2026-01-01", "A": "2026-01-01", "B": "2026-01-02", "N": "8000"}


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The code blocks of a page in these languages; "" is a block of a terminal."""
    for _, language, text in FENCED.findall(page.read_text()):
        if language in languages:
            yield text


def prose(page: Path) -> str:
    """A page without its code blocks and without what is generated."""
    text = re.sub(r"<!-- \w+: written by .*?<!-- end of", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"https?://\S+", "", FENCED.sub("", text))


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = FENCED.sub("", page.read_text())
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@every_page
def test_links_and_pictures_are_there(page):
    broken = []
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"\w+:", link):
            continue
        name, _, place = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (place and place not in anchors(target)):
            broken.append(link)
    assert broken == []


def words_of(command: str) -> list[str]:
    """The words of a command line up to a pipe, a redirection or the next command."""
    words = []
    for word in shlex.split(command, comments=True):
        if word in (">", "|", "&&", ";"):
            break
        words.append(PLACEHOLDERS.get(word, word))
    return words


@every_page
def test_commands_in_code_blocks_can_be_typed(page):
    for block in blocks(page, "", "sh", "ini"):
        for found in COMMAND.findall(block):
            name, *words = words_of(found)
            assert name in COMMANDS, found
            command = cli.get_command(click.Context(cli), name)
            try:
                command.make_context(name, words)
            except click.exceptions.Exit:  # --help
                pass
            except click.ClickException as error:
                pytest.fail(f"{found}: {error.format_message()}")


@every_page
def test_commands_in_sentences_have_the_options_that_are_named(page):
    for text in INLINE.findall(prose(page)):
        match = re.match(r"(?:\.venv/bin/)?enrollment ([a-z]+)\b(.*)", text)
        if match:
            name, rest = match.groups()
            assert name in COMMANDS, text
            command = cli.get_command(click.Context(cli), name)
            known = {option for param in command.params for option in param.opts}
            assert set(re.findall(r"--[a-z-]+", rest)) <= {*known, "--help"}, text


def test_all_commands_and_options_are_on_their_page():
    text = (DOCS / "commands.md").read_text()
    for name in COMMANDS:
        row = re.search(rf"^\| `enrollment {name}\b(.*)", text, re.MULTILINE)
        assert row, f"docs/commands.md lacks enrollment {name}"
        for param in cli.get_command(click.Context(cli), name).params:
            if isinstance(param, click.Option):
                assert param.opts[-1] in row[1], f"docs/commands.md lacks {name} {param.opts[-1]}"


@every_page
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for text in [*blocks(page, "", "sh"), *INLINE.findall(prose(page))]:
        for found in TARGETS.findall(text):
            named = {word for word in found.split() if "=" not in word}
            assert named <= targets, found


@every_page
def test_configurations_have_keys_that_exist(page):
    """Blocks that stand alone are validated by `config/test_reference.py`; here are all others, too."""
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        if content is not None:
            assert set(content) <= set(Settings.model_fields), block
            assert mistakes({**CONFIG, **content}) == [], block


@every_page
def test_extras_exist(page):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"(?:enrollment-assets|'\.)\[([a-z]+)\]", page.read_text())
    assert set(named) <= set(project["optional-dependencies"])


@pytest.mark.parametrize(
    "name", ["docs/architecture.md", "CONTRIBUTING.md", "docs/custom_metrics.md"]
)
def test_paths_exist(name):
    top = {path.name for path in (*CHECKOUT.iterdir(), *PACKAGE.iterdir()) if path.is_dir()} - {
        "data"
    }
    sql = {path.name for folder in folders() for path in folder.glob("*.sql")}
    places = (CHECKOUT, PACKAGE, PACKAGE / "..", CHECKOUT / "enrollment_assets_tests")
    sql |= {path.name for path in (CHECKOUT / "sql").rglob("*.sql")}
    made = {"sql/metrics/dropped_share.sql", "sql/metrics/busiest_weekday.py"}
    missing = []
    for text in INLINE.findall(prose(CHECKOUT / name)):
        is_path = re.fullmatch(r"[\w.-]+/[\w./-]*", text) and text.partition("/")[0] in top
        if is_path and text not in made and not any((place / text).exists() for place in places):
            missing.append(text)
        if re.fullmatch(r"\w+\.sql", text) and text not in sql | {Path(m).name for m in made}:
            missing.append(text)
    assert missing == []


@every_page
def test_names_of_the_code_exist(page):
    """A name such as `daily_enrollment_job` that was changed in the code is changed in the docs."""
    if page.name == "CHANGELOG.md":  # which names what was
        return
    sources = [*PACKAGE.rglob("*"), *(CHECKOUT / "sql").rglob("*"), *(CHECKOUT / "bench").glob("*")]
    kinds = (".py", ".sql", ".yaml", ".j2")
    texts = [path.read_text() for path in sources if path.suffix in kinds]
    texts += [(CHECKOUT / "pyproject.toml").read_text(), *blocks(page, "", *LANGUAGES)]
    texts += [path.name for path in (CHECKOUT / "enrollment_assets_tests").rglob("*.py")]
    known = set(re.findall(r"\w+", "\n".join(texts)))
    name = re.compile(r"(?:[a-z]+\.)*([a-z]+(?:_[a-z0-9]+)+)")
    named = {match[1] for text in INLINE.findall(prose(page)) if (match := name.fullmatch(text))}
    assert named - known - EXAMPLES == set()


def test_tables_are_documented():
    page = table_pages.PAGE.read_text()
    settings = load_settings(CHECKOUT / "enrollment.yaml")
    assert table_pages.with_tables(page, settings) == page, (
        "run `python -m enrollment_assets_tests.support.table_pages`"
    )


def test_the_readme_is_short_and_has_the_two_commands():
    text = (CHECKOUT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    assert "make demo" in text
    assert "make test" in text
