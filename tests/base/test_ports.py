"""Rules of the ports that test processes are given."""

import os
import subprocess
import sys
from pathlib import Path

from tests.kit.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
CHILD = "import os; os.getpid = lambda: {pid}; from tests.kit.ports import free_ports; print(free_ports(20))"


def test_two_processes_are_never_given_the_same_port_before_they_listen() -> None:
    mine = set(free_ports(200))
    for pid in (os.getpid(), os.getpid() + 250):
        program = CHILD.format(pid=pid)
        output = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        assert mine.isdisjoint(map(int, output.stdout.strip("[]\n").split(",")))
