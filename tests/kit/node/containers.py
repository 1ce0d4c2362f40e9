"""Containers of an image with everything closed that a node does not need: by podman or docker, else by buildah alone.

Rule: nothing of this machine's settings changes, and nothing is downloaded. Where the engine's own settings start no
container, podman is tried with the other runtime and with limits that a user without privileges may set.
"""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.kit.until import until_now

CLOSED = ("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")
SETTINGS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "{runtime}"
"""
NODE_USER = 26_600
INTERPRETER = b"/opt/crossclear/bin/python"


def called(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)


def printed(words: list[str], environment: dict[str, str]) -> str:
    """What a call prints that must end with 0."""
    ended = called(words, environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class Containers(Protocol):
    """What a test of an image asks for. One home for all containers, and one node."""

    tool: str
    image: str
    environment: dict[str, str]

    def run(self, *words: str, entrypoint: str = "crossclear") -> str:
        """What a container prints."""

    def start(self) -> None:
        """Start the image's default command."""

    def is_healthy(self) -> bool:
        """Whether the image's health command ends with 0 in the running container."""

    def stop(self) -> tuple[int, str]:
        """As the image asks to be stopped: its exit code and its log."""

    def close(self) -> None:
        """Leave nothing behind."""


@dataclass
class Engine:
    """podman or docker."""

    tool: str
    image: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def _call(self, *words: str) -> str:
        return printed([self.tool, *words], self.environment)

    def _run(self, *words: str) -> str:
        return self._call("run", *CLOSED, f"--volume={self.name}:/home/node", *words)

    def run(self, *words: str, entrypoint: str = "crossclear") -> str:
        """See `Containers`."""
        return self._run("--rm", f"--entrypoint={entrypoint}", self.image, *words)

    def start(self) -> None:
        """See `Containers`."""
        self._run("--detach", f"--name={self.name}", self.image)

    def is_healthy(self) -> bool:
        """See `Containers`."""
        return called([self.tool, "exec", self.name, "crossclear", "check"], self.environment).returncode == 0

    def stop(self) -> tuple[int, str]:
        """See `Containers`."""
        self._call("stop", "--time=60", self.name)
        ended = called([self.tool, "logs", self.name], self.environment)
        code = int(self._call("inspect", "--format={{.State.ExitCode}}", self.name))
        return code, ended.stdout + ended.stderr

    def close(self) -> None:
        """See `Containers`."""
        for words in (("rm", "--force", self.name), ("volume", "rm", self.name), ("image", "rm", self.image)):
            called([self.tool, *words], self.environment)


@dataclass
class Buildah:
    """buildah without a runtime: the root file system is the image's and root's, the network is the machine's."""

    image: str
    name: str
    folder: Path
    tool: str = "buildah"
    environment: dict[str, str] = field(default_factory=lambda: {"BUILDAH_ISOLATION": "chroot"})
    _node: "subprocess.Popen[str] | None" = None

    def _words(self, *words: str) -> list[str]:
        if not self.folder.exists():
            self.folder.mkdir(mode=0o700)
            os.chown(self.folder, NODE_USER, NODE_USER)
            printed([self.tool, "from", "--pull-never", f"--name={self.name}", self.image], self.environment)
        options = ("--cap-drop=all", f"--user={NODE_USER}:{NODE_USER}", f"--volume={self.folder}:/home/node")
        return [self.tool, "run", *options, self.name, "--", *words]

    def run(self, *words: str, entrypoint: str = "crossclear") -> str:
        """See `Containers`."""
        return printed(self._words(entrypoint, *words), self.environment)

    def start(self) -> None:
        """See `Containers`. buildah's `run` takes neither the entry point nor the command of the image."""
        self._node = subprocess.Popen(
            self._words("crossclear", "start"),
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def is_healthy(self) -> bool:
        """See `Containers`."""
        return called(self._words("crossclear", "check"), self.environment).returncode == 0

    def stop(self) -> tuple[int, str]:
        """See `Containers`. The signal is for the node itself: buildah passes it on to nobody."""
        assert self._node is not None
        self._signal(signal.SIGTERM)
        out, _ = self._node.communicate()
        return self._node.returncode, out

    def _signal(self, number: signal.Signals) -> None:
        assert self._node is not None
        programs = {process: Path(f"/proc/{process}/cmdline").read_bytes() for process in _below(self._node.pid)}
        os.kill(next(each for each, words in programs.items() if words.startswith(INTERPRETER)), number)

    def close(self) -> None:
        """See `Containers`."""
        if self._node is not None and self._node.poll() is None:
            self._signal(signal.SIGKILL)
            self._node.communicate()
        for words in (("rm", self.name), ("rmi", self.image)):
            called([self.tool, *words], self.environment)


def _below(process: int) -> list[int]:
    """The processes that a process's threads started, and those that these started, oldest generation first."""
    found = [process]
    for each in found:
        for children in Path("/proc").glob(f"{each}/task/*/children"):
            found += map(int, children.read_text().split())
    return found[1:]


def base_of(tool: str, wanted: str, environment: dict[str, str]) -> str | None:
    """The name of a base that the tool has already."""
    words = ["inspect", "--type=image", wanted] if tool == "buildah" else ["image", "inspect", wanted]
    return wanted if called([tool, *words], environment).returncode == 0 else None


def starts(tool: str, base: str, folder: Path) -> tuple[dict[str, str] | None, str]:
    """The settings with which the engine runs a container, None where it runs none; and what it said last."""
    tried: list[dict[str, str]] = [{}]
    for runtime in ("crun", "runc") if tool == "podman" else ():
        if shutil.which(runtime):
            path = folder / f"{runtime}.conf"
            path.write_text(SETTINGS.format(runtime=runtime))
            tried.append({"CONTAINERS_CONF": str(path)})
    ended = None
    for environment in tried:
        ended = called([tool, "run", "--rm", "--pull=never", *CLOSED, base, "true"], environment)
        if ended.returncode == 0:
            return environment, ""
    return None, ended.stderr.strip().splitlines()[-1] if ended is not None and ended.stderr.strip() else ""


def wait_until_healthy(containers: Containers) -> None:
    """Until the image's health command is content."""
    until_now(containers.is_healthy, poll_seconds=1.0)
