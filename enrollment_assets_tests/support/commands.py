"""The `enrollment` command as people run it: a process of its own, and what it says."""

import os
import subprocess
import sys


def enrollment(university, *arguments, **environment):
    code = "from enrollment_assets.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "ENROLLMENT_CONFIG": str(university.config), **environment},
        cwd=university.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def said(done):
    """All words of a command on one line: a console breaks lines where it likes."""
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())
