"""Evidence of an attack: written to a file first, then submitted to every server.

Rule: the file holds the attack's canonical bytes under a name made of them, so that the same attack is one file. A
server's refusal changes nothing: the attack was seen.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from clearing.base.codec import decode, encode
from clearing.base.errors import CrossclearError, LocalFault
from clearing.base.hashing import sha256
from consensus.evidence.attack import LightClientAttack
from member.api.chain import EVIDENCE_BYTES_MAX
from member.codes import NodeCode
from member.durable_files import write_whole
from member.light.source import LightSource


def keep_attack(folder: Path, attack: LightClientAttack) -> Path:
    """Write it, mode 0600, durable on return; the file's path."""
    data = encode(attack)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"attack-{attack.first.header.height}-{sha256(data)[:8].hex()}.evidence"
    if path.exists():
        return path
    write_whole(path, data, 0o600)
    return path


def read_attack(path: Path) -> LightClientAttack:
    """Out of such a file. Raises LocalFault for one that is unreadable, RemoteFault for other bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(EVIDENCE_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFault(NodeCode.LIGHT_STORE_UNUSABLE, str(path), why=error.strerror or "unreadable") from None
    return decode(data, LightClientAttack, EVIDENCE_BYTES_MAX)


def submit_everywhere(attack: LightClientAttack, sources: Sequence[LightSource], report: Callable[[str], None]) -> int:
    """Hand it to each server; how many took it."""
    accepted = 0
    for source in sources:
        try:
            accused = source.submit(attack)
        except CrossclearError as fault:
            report(f"{source.name} did not accept the evidence: {fault}")
            continue
        accepted += 1
        report(f"{source.name} accepted the evidence: {accused} accused")
    return accepted
