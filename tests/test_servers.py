"""What the suite promises about its own servers."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests import servers

START = "from tests import servers; print(servers.start(18), flush=True); input()"


def test_a_killed_run_leaves_no_server_behind() -> None:
    """As after an interrupted CI job: nothing of the process itself runs any more that could clean up."""
    with subprocess.Popen(
        [sys.executable, "-c", START],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout
        directory = Path(run.stdout.readline().strip().partition("host=")[2])
        postmaster = os.pidfd_open(int((directory / "postmaster.pid").read_text().split()[0]))
        run.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([postmaster], [], [], 60)
    os.close(postmaster)
    assert [postmaster] == ended


def test_a_second_start_answers_the_same_server() -> None:
    assert servers.start(18) == servers.start(18)
