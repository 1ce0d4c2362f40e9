"""The command line in this process: the code it exits with is expected, what it prints is given back."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from cli.main import run
from tests.kit.member.hostile_text import is_plain


@dataclass(frozen=True)
class Printed:
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def is_printable(self) -> bool:
        """Whether nothing of it steers a terminal."""
        return is_plain((self.out + self.err).replace("\n", ""))


@dataclass(frozen=True)
class CommandLine:
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object, code: int | None = 0) -> Printed:
        """What `crossclear` with these words prints. Without a code any will do."""
        self.capsys.readouterr()
        ended = run([str(word) for word in words])
        printed = Printed(*self.capsys.readouterr())
        assert code in (None, ended), f"exit code {ended}\n{printed.out}{printed.err}"
        return printed


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)
