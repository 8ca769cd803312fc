"""Dagster's own interface on what two days left: the graph, checks of a day, the chart, runs begun again."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import dagster as dg
import psutil
import pytest
import requests
import yaml

from enrollment_assets.orchestration.in_process import CODE_LOCATION
from enrollment_assets.pipeline.names import DAILY
from enrollment_assets_tests.conftest import CHECKOUT, student

FINE, ODD = "2024-09-03", "2024-09-04"
GROUPS = ("ingest", "changes", "metrics", "insight", "reports", "exports", "custom")
PATIENCE = 30


@pytest.fixture
def two_days(university, monkeypatch):
    """The second day holds an id that is not of the expected form."""
    university.change(
        quality={"student_id_pattern": "[0-9]{3}"}, metrics_dir=str(CHECKOUT / "sql" / "metrics")
    )
    everyone = [student(f"{n:03d}") for n in range(66)]
    university.write(FINE, everyone[:60])
    university.write(ODD, [*everyone, student("odd")])
    for date in (FINE, ODD):
        assert university.run(date, job=DAILY).success
    monkeypatch.setenv("ENROLLMENT_CONFIG", str(university.config))
    return university


@contextmanager
def webserver(folder, *options):
    """A webserver with its code server, in a process group of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1"]
    with (folder / "webserver.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", port, "-w", CHECKOUT / "workspace.yaml", *options],
            cwd=CHECKOUT,
            env=os.environ.copy(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            assert process.poll() is None, (folder / "webserver.log").read_text()
            assert time.monotonic() < deadline, f"no answer in {PATIENCE} s"
            time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        end_session(process)


def end_session(process):
    for child in psutil.process_iter(["pid"]):
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(child.pid) == process.pid:
                child.kill()
    process.wait()


def answers(address):
    with suppress(requests.ConnectionError):
        return requests.get(f"{address}/server_info", timeout=5).ok
    return False


@pytest.fixture
def ui(two_days, browser):
    opened = browser.new_page(viewport={"width": 1600, "height": 1000})
    opened.set_default_timeout(1000 * PATIENCE)
    with webserver(two_days.folder, "--read-only") as address:
        yield opened, address
        opened.close()


def test_graph_checks_and_chart_are_shown(ui, tmp_path):
    page, address = ui

    def go(path):
        page.goto(address + path)

    # the runs of commands are on their job's page
    go(f"/locations/{CODE_LOCATION}/jobs/{DAILY}/runs")
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs():
            page.get_by_text(run.run_id[:8]).first.wait_for()
    page.screenshot(path=tmp_path / "runs.png")

    # the graph: every group, and the assets of one that is opened
    go("/asset-groups")
    for group in GROUPS:
        page.get_by_text(group, exact=True).last.wait_for()
    page.screenshot(path=tmp_path / "groups.png")
    go("/locations/enrollment_assets/asset-groups/ingest")
    page.get_by_text("7 / 9 Passed").wait_for()
    for asset in ("enrollment_snapshots", "snapshot_log", "student_changes"):
        page.get_by_text(asset, exact=True).last.wait_for()
    page.screenshot(path=tmp_path / "graph.png")

    # the checks: one day passed, one failed, with the figures that say why
    go("/assets/enrollment_snapshots?view=checks&checkDetail=invalid_data_formats")
    page.get_by_role("tab", name="Partitions").nth(1).click()  # the check's, not the asset's
    page.get_by_text("Failed (1)").wait_for()
    page.get_by_text("Passed (1)").wait_for()
    page.get_by_text("Missing (").click()
    for date, verdict, count in ((FINE, "Passed", 0), (ODD, "Failed", 1)):
        page.get_by_text(date, exact=True).first.click()
        shown = f"{date}\n{verdict}\n", f"ids_of_unexpected_form\n{count}\n"
        page.wait_for_function(
            "texts => texts.every(t => document.body.innerText.includes(t))", arg=shown
        )
        page.screenshot(path=tmp_path / f"check_{verdict}.png")

    # the chart: a picture behind the day's metadata
    go(f"/assets/enrollment_report?view=partitions&partition={ODD}")
    page.get_by_text("[Show Markdown]").click()
    chart = page.locator("img[src^='data:image/png']")
    chart.wait_for()
    assert chart.evaluate("i => i.complete && i.naturalWidth") > 400
    assert "Fall 2024" in chart.get_attribute("alt")
    page.screenshot(path=tmp_path / "chart.png")


def ask(address, query, **variables):
    """An answer of the interface that the pages themselves use."""
    asked = {"query": query, "variables": variables}
    answer = requests.post(f"{address}/graphql", json=asked, timeout=PATIENCE).json()
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_run_of_a_command_is_begun_again_from_the_ui(two_days, dagster_home):
    # without a daemon nobody would take it from the queue
    settings = dagster_home / "dagster.yaml"
    content = yaml.safe_load(settings.read_text())
    del content["concurrency"]["runs"]
    content["run_coordinator"]["class"] = "DefaultRunCoordinator"
    del content["run_coordinator"]["config"]
    settings.write_text(yaml.safe_dump(content))
    with dg.DagsterInstance.get() as instance:
        (newest, _) = instance.get_runs()
        with webserver(two_days.folder) as address:
            found = ask(
                address,
                """query ($job: String!) {
                  runsOrError(filter: {pipelineName: $job}) { ... on Runs { results {
                    id repositoryOrigin { repositoryLocationName repositoryName }
                    hasReExecutePermission } } } }""",
                job=DAILY,
            )["runsOrError"]["results"]
            assert len(found) == 2
            for run in found:
                assert run["hasReExecutePermission"]
                assert run["repositoryOrigin"]["repositoryLocationName"] == CODE_LOCATION
            began = ask(
                address,
                """mutation ($run: String!) {
                  launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS}) {
                    __typename ... on LaunchRunSuccess { run { id } }
                    ... on PythonError { message } } }""",
                run=newest.run_id,
            )["launchRunReexecution"]
            assert began["__typename"] == "LaunchRunSuccess", began
            deadline = time.monotonic() + 3 * PATIENCE
            while not (run := instance.get_run_by_id(began["run"]["id"])).is_finished:
                assert time.monotonic() < deadline, run.status
                time.sleep(0.2)
        assert run.status == dg.DagsterRunStatus.SUCCESS, instance.all_logs(run.run_id)[-3:]
        assert run.parent_run_id == newest.run_id
        assert run.tags["dagster/partition"] == ODD


def test_the_command_ui_starts_without_warnings_and_stops(university, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    log = university.folder / "ui.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    code = "from enrollment_assets.cli.main import main; main()"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "ui", "--port", port],
            cwd=university.folder,  # where enrollment.yaml lies
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 4 * PATIENCE
        while "Sensor" not in log.read_text() or not answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    finally:
        end_session(process)
    lines = log.read_text().splitlines()
    # said once in the life of an instance, when its daemon first starts
    first = "ignoring older events"
    assert [line for line in lines if "warning" in line.lower() and first not in line] == []
    assert (university.folder / ".dagster" / "storage").is_dir()
