"""What a run leaves behind: processes that carry its mark or its folder, files elsewhere."""

import os
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]
MARK = "CROSSCLEAR_E2E_RUN"
"""Set in the environment of a run; every process that it starts inherits it."""
PATIENCE_SECONDS = 600
# Written by interpreters, linters and people at work, not by a run.
_CACHES = ("__pycache__", ".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache")
_SOURCES = (".md", ".py", ".pyc", ".sol", ".swp")


def processes_of(mark: str, folder: Path) -> list[str]:
    """Living processes, told by command line, that carry the mark or work in or with the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            command = process.cmdline()
            known = process.environ().get(MARK) == mark or process.cwd().startswith(str(folder))
            if known or any(str(folder) in part for part in command):
                found.append(f"{process.pid} {' '.join(command)[:200]}")
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def left_running(mark: str, folder: Path) -> list[str]:
    """What of it still lives after a while; a helper that sees its owner gone ends a moment later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := processes_of(mark, folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def files_under(folder: Path) -> frozenset[str]:
    """Relative paths of all files and folders."""
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*"))


def files_of_checkout() -> frozenset[str]:
    """Relative paths in the checkout that a run could have written, not what tools and editors come and go with."""
    found: set[str] = set()
    for where, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in (*_CACHES, ".venv", "node_modules")]
        here = Path(where).relative_to(ROOT)
        found.update(str(here / name) for name in files if not name.endswith(_SOURCES))
    return frozenset(found)
