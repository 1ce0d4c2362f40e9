"""Rules of a devnet's output folder: nothing that runs, and nothing that no devnet made, is ever emptied."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.folder import MARKER, claimed_folder
from member.codes import NodeCode
from node.signer.sign_state import SignStateFile
from tests.kit.refusals import refused

CLAIM = """
import sys, time
from pathlib import Path
from devnet.folder import claimed_folder
with claimed_folder(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(3600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "devnet"


def left_by_a_devnet(folder: Path) -> Path:
    """A home that an ended devnet left, with a sign state."""
    with claimed_folder(folder):
        home = folder / "nodes" / "n0"
        home.mkdir(parents=True)
        with closing(SignStateFile(home / "sign-state")):
            pass
        (folder / "link").symlink_to(home)
    return home


def test_what_an_ended_devnet_left_is_emptied(folder: Path) -> None:
    home = left_by_a_devnet(folder)
    with claimed_folder(folder):
        assert not home.exists()
        assert sorted(entry.name for entry in folder.iterdir()) == [MARKER, "logs"]


def test_a_second_devnet_in_one_folder_is_refused_and_the_homes_stay(folder: Path) -> None:
    home = left_by_a_devnet(folder)
    with subprocess.Popen([sys.executable, "-c", CLAIM, str(folder)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "claimed\n"
        home.mkdir(parents=True)
        with refused(DevnetCode.DEVNET_RUNNING, LocalFault) as caught, claimed_folder(folder):
            pass
        assert str(first.pid) in str(caught.value)
        assert home.exists()
        first.send_signal(signal.SIGKILL)
    with claimed_folder(folder):
        assert not home.exists(), "the lock ends with its process, however that ends"


def test_a_folder_with_a_node_that_still_runs_is_refused_by_its_home(folder: Path) -> None:
    home = left_by_a_devnet(folder)
    with closing(SignStateFile(home / "sign-state")):
        with refused(DevnetCode.DEVNET_RUNNING, LocalFault) as caught, claimed_folder(folder):
            pass
        assert str(home) in str(caught.value)
        assert (home / "sign-state").exists()
    with claimed_folder(folder):
        assert not home.exists()


def test_a_folder_that_no_devnet_made_is_not_touched(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "thesis").touch()
    with refused(NodeCode.OUTPUT_EXISTS, LocalFault), claimed_folder(folder):
        pass
    assert [entry.name for entry in folder.iterdir()] == ["thesis"]
