"""The verifier in TypeScript as one long-lived Node process that answers requests of one line each."""

import base64
import json
import subprocess
from types import TracebackType
from typing import Any

from devnet.toolchain import BROWSER, node_path


class SecondVerifier:
    """Answers as `proofs/browser/src/lines.ts` gives them. Use it in a `with` statement: it ends its process."""

    def __enter__(self) -> "SecondVerifier":
        command = [str(node_path()), str(BROWSER / "scripts" / "answer.mjs")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=BROWSER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request: bytes are sent in base64. Raises EOFError if the process has ended."""
        self.send(**request)
        return self.receive()

    def send(self, **request: Any) -> None:
        """The request alone: the process works on it while the caller does something else."""
        line = {name: _text(value) for name, value in request.items()}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The answer to the request that was sent first. Raises EOFError if the process has ended."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise EOFError("the second verifier has ended")
        verdict: dict[str, Any] = json.loads(answer)
        return verdict


def _text(value: Any) -> Any:
    return (
        base64.b64encode(value).decode()
        if isinstance(value, bytes)
        else [_text(each) for each in value]
        if isinstance(value, list)
        else value
    )


def refused_by(verdict: dict[str, Any]) -> str:
    """Name of the check that refused, or nothing."""
    return next((check["name"] for check in verdict["checks"] if not check["ok"]), "")
