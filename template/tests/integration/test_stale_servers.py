"""A run of the tests that was killed costs the next one nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.processes import process_table
from tests.support.stale_servers import claim, clear

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support.stale_servers import SERVERS, claim
directory = Path(sys.argv[1])
owner = claim(directory)
servers = [server_class(directory / server_class.name).start() for server_class in SERVERS.values()]
print(*[server._pid for server in servers], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_cleared_away_and_nothing_of_one_that_lives(server_directory: Path) -> None:
    killed, living, new = (server_directory / f"runs-{name}" for name in ("killed", "living", "new"))
    for directory in (killed, living, new):
        directory.mkdir()
        directory.chmod(0o711)
    command = [sys.executable, "-c", KILLED, str(killed)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    servers = {int(pid) for pid in done.stdout.split()}
    assert len(servers & process_table().keys()) == 2
    with claim(living):
        clear(server_directory, "runs-")
        assert [directory.exists() for directory in (killed, living, new)] == [False, True, True]
    assert not servers & process_table().keys()
