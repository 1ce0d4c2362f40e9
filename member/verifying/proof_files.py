"""Proof files: make, verify and show them, compare the packages of a folder, print raw MessagePack as JSON.

Rule: it composes the verdicts of `proofs`, trusts nothing else, and imports nothing heavy. A folder is hostile like a
file: what is not an ordinary file is not opened, and names are printed escaped.
"""

import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import msgspec

from clearing.base.errors import BaseCode, LocalFault, RemoteFault
from clearing.base.hashing import sha256
from member.verifying.movements import MovementReport, movement_lines, movement_report
from member.verifying.package import (
    AMENDED,
    CertifiedTerms,
    FileBytes,
    OwnAccountFiles,
    TrustAnchor,
    VerificationReport,
    read_limited,
    read_own_account,
    report_of,
    words_of,
)
from proofs.epoch.package import PACKAGE_BYTES_MAX, SUFFIX
from proofs.errors import ProofCode
from proofs.history.package_history import HistoryVerdict, PackageHistory, PackageResult
from proofs.verify.file_view import View, view_of
from proofs.verify.standalone import STANDALONE_BYTES_MAX, verify_standalones
from proofs.verify.verdict import printable

FILES_MAX = 100_000
_Reader = Callable[[Path], bytes]
_Listed = tuple[Path, _Reader]
"""Entries of a folder that are looked at."""


class FileReport(msgspec.Struct, frozen=True):
    """One package of a history."""

    file: str
    ok: bool
    failed: str
    detail: str
    epoch: int
    height: int
    certified_at: int
    accounts: int
    bytes: int
    seconds: float
    linked: bool
    """Whether its validator set is linked to the trusted one, so that its statement counts."""
    open: tuple[str, ...] = ()
    """Checks that found nothing wrong and could not show all."""
    attested: dict[str, str] = {}
    """Values of a good package that are somebody's word, by name, as `verify` lists them."""


class FindingReport(msgspec.Struct, frozen=True):
    """What the packages of a history show together."""

    code: str
    name: str
    files: tuple[str, ...]
    detail: str
    allowed: bool


class HistoryReport(msgspec.Struct, frozen=True):
    """What `crossclear proof history --output json` prints."""

    ok: bool
    """Whether there is a good package and no finding but those allowed."""
    network: str
    epochs: tuple[int, ...]
    packages: tuple[FileReport, ...]
    findings: tuple[FindingReport, ...]
    not_proven: tuple[str, ...]
    skipped: int
    """Entries of the folder that are no packages."""
    seconds: float
    open: tuple[str, ...] = ()
    """What stays open of some package, and `anchor` where network or validator set is nobody's word but the files'."""
    strict: bool = False
    """Whether something open that is not allowed makes `ok` false."""
    movements: tuple[MovementReport, ...] = ()

    def judged(self, *, strict: bool, allowed: Sequence[str], anchored: bool) -> "HistoryReport":
        """The same with what is open named; strictly, what is not allowed fails it."""
        named = {name for package in self.packages if package.ok for name in package.open}
        still_open = (() if anchored else ("anchor",)) + tuple(sorted(named))
        good = self.ok and not (strict and set(still_open) - set(allowed))
        return msgspec.structs.replace(self, ok=good, open=still_open, strict=strict)


def make_file(package: FileBytes, anchor: TrustAnchor, own: OwnAccountFiles, out: Path) -> int:
    """Write a standalone proof of the own account; its size.

    Raises LocalFault OUTPUT_EXISTS, NOT_INCLUDED (holdings or seed are not the committed ones), MALFORMED for an anchor
    that leaves something open; RemoteFault for a package that this anchor doesn't certify.
    """
    from member.durable_files import write_new
    from proofs.verify.standalone_prover import make_standalone

    if anchor.network is None or anchor.validators_hash is None:
        raise LocalFault(BaseCode.MALFORMED, "anchor", why="network and validator set must both be trusted")
    data = package.data
    account = read_own_account(data, own)
    if account is None:
        view_of(data)  # raises what is wrong with it
        raise LocalFault(BaseCode.MALFORMED, package.name, why="no epoch package")
    proof = make_standalone(
        data,
        account,
        network=anchor.network,
        validators_hash=anchor.validators_hash,
        genesis=anchor.genesis,
        freshness=anchor.freshness,
    )
    write_new(out, proof)
    return len(proof)


def verify_files(files: Sequence[Path], package: FileBytes, anchor: TrustAnchor) -> list[VerificationReport]:
    """A report on each standalone proof; the package's own checks count with the first. Raises LocalFault."""
    started = time.perf_counter()
    proofs = [read_limited(path, STANDALONE_BYTES_MAX) for path in files]
    verdicts = verify_standalones(
        proofs,
        package.data,
        network=anchor.network,
        validators_hash=anchor.validators_hash,
        genesis=anchor.genesis,
        clock=time.perf_counter,
        freshness=anchor.freshness,
    )
    whole = time.perf_counter() - started
    return [
        report_of(str(path), len(data), verdict, anchor, whole if index == 0 else 0.0)
        for index, (path, data, verdict) in enumerate(zip(files, proofs, verdicts, strict=True))
    ]


def view_of_file(path: Path) -> View:
    """A proof file as JSON values. Raises RemoteFault, LocalFault."""
    return view_of(read_limited(path, PACKAGE_BYTES_MAX))


def history_of(
    paths: Sequence[Path],
    anchor: TrustAnchor,
    allowed: Sequence[ProofCode],
    *,
    thorough: bool,
    terms_at: CertifiedTerms | None = None,
) -> HistoryReport:
    """Judge all packages of these files and folders, in order of their names. Raises LocalFault for an unreadable path.

    One file is in memory at a time. Where a set is trusted it is read twice, and must not change meanwhile; a pipe is
    read once and kept. Of the anchor's freshness, only the time at which its set was known to be in force counts.
    `terms_at`: what genesis was amended to at a height.
    """
    started = time.perf_counter()
    history = PackageHistory(
        anchor.network,
        anchor.validators_hash,
        anchor.listed,
        anchor.genesis,
        adopt=ProofCode.SET_NOT_LINKED in allowed,
        thorough=thorough,
        clock=time.perf_counter,
        terms_at=terms_at,
        freshness=anchor.freshness,
    )
    listed, skipped = _listed(paths)
    looks = _survey(listed, history) if anchor.validators_hash is not None and not history.adopt else listed
    for file, read in looks:
        name = printable(str(file))
        try:
            data = read(file)
        except LocalFault as fault:
            history.unreadable(name, fault)
        else:
            history.add(name, data)
    verdict = history.finish()
    words = [_words(package, anchor, terms_at) for package in verdict.packages]
    report = _report(verdict, words, allowed, skipped, time.perf_counter() - started)
    if terms_at is None:
        return report
    return msgspec.structs.replace(
        report, not_proven=(*report.not_proven, f"{AMENDED}: `amendments` under `attested`.")
    )


def _words(package: PackageResult, anchor: TrustAnchor, terms_at: CertifiedTerms | None) -> dict[str, str]:
    """Of one package: as `verify` names them, under the amendments up to its own height."""
    if not package.ok:
        return {}
    return words_of(
        package.attested, anchor if terms_at is None else replace(anchor, amended=terms_at.head(package.height))
    )


def history_text(report: HistoryReport) -> str:
    """The report as text."""
    lines = (
        [f"NOT SHOWN: {', '.join(report.open)}; `crossclear verify` of a package says more.", ""] if report.open else []
    )
    for package in report.packages:
        line = (
            f"epoch {package.epoch}, height {package.height}, {package.accounts} accounts"
            if package.ok
            else package.detail
        )
        standing = ("ok  " if package.linked else "open") if package.ok else "FAIL"
        lines.append(f"{standing} {package.file}  {'' if package.ok else package.failed + ': '}{line}")
    lines += [""] if lines else []
    for finding in report.findings:
        lines.append(f"{'allowed' if finding.allowed else 'FOUND'} {finding.code} {finding.name}: {finding.detail}")
        lines.append(f"      in {', '.join(finding.files)}")
    lines += [""] if report.findings else []
    if report.ok:
        first, last = report.epochs[0], report.epochs[-1]
        lines.append(
            f"{len(report.epochs)} epochs from {first} to {last} of network {report.network[:16]}…: every package "
            "passes every check, and together they contradict nothing"
            + (" but for what was allowed." if report.findings else ".")
        )
        lines += movement_lines(report.movements)
        lines += ["", "Not proven:", *(f"  - {limit}" for limit in report.not_proven)]
    elif not report.epochs:
        lines.append("NOT VERIFIED: there is no good package here.")
    elif not [each for each in report.findings if not each.allowed]:
        lines.append("NOT VERIFIED (R0760): with --strict, nothing may stay open.")
    else:
        lines.append("NOT VERIFIED: see what was found. `crossclear explain CODE` says what it means.")
    lines += ["", f"{len(report.packages)} packages, {report.skipped} other entries, {report.seconds:.3f} s"]
    return "\n".join(lines)


def _report(
    verdict: HistoryVerdict, words: Sequence[dict[str, str]], allowed: Sequence[ProofCode], skipped: int, seconds: float
) -> HistoryReport:
    findings = tuple(
        FindingReport(
            finding.code.label,
            finding.code.name.lower(),
            finding.files,
            printable(finding.detail),
            finding.code in allowed,
        )
        for finding in verdict.findings
    )
    return HistoryReport(
        ok=bool(verdict.epochs) and not verdict.besides(allowed),
        network=verdict.network.hex(),
        epochs=verdict.epochs,
        packages=tuple(
            FileReport(
                file=package.name,
                ok=package.ok,
                failed=package.failed or "",
                detail=package.detail,
                epoch=package.epoch,
                height=package.height,
                certified_at=package.certified_at,
                accounts=package.accounts,
                bytes=package.bytes,
                seconds=round(package.seconds, 6),
                linked=package.linked,
                open=package.open,
                attested=attested,
            )
            for package, attested in zip(verdict.packages, words, strict=True)
        ),
        findings=findings,
        not_proven=verdict.not_proven,
        skipped=skipped,
        seconds=round(seconds, 6),
        movements=tuple(map(movement_report, verdict.movements)),
    )


def _survey(listed: Sequence[_Listed], history: PackageHistory) -> Iterator[_Listed]:
    """Show every package to the survey of sets; then each again, with what reads the very bytes that were surveyed.

    Of a file only its digest is kept. What gives each reader other bytes, as a pipe, is not read again.
    """
    again: list[_Listed] = []
    for file, read in listed:
        try:
            data = read(file)
        except LocalFault as fault:
            again.append((file, _raising(fault)))
            continue
        history.survey(data)
        again.append((file, _same(read, sha256(data)) if file.is_file() else _kept(data)))
    while again:  # what was kept of a pipe goes once it was checked
        yield again.pop(0)


def _same(read: _Reader, digest: bytes) -> _Reader:
    def again(path: Path) -> bytes:
        data = read(path)
        if sha256(data) != digest:
            raise LocalFault(BaseCode.MALFORMED, str(path), why="it changed while it was read")
        return data

    return again


def _kept(data: bytes) -> _Reader:
    return lambda _path: data


def _raising(fault: LocalFault) -> _Reader:
    def fail(_path: Path) -> bytes:
        raise fault

    return fail


def _listed(paths: Sequence[Path]) -> tuple[list[_Listed], int]:
    """All packages, each with how it is read, and how many entries of folders are none."""
    found: list[_Listed] = []
    skipped = 0
    for path in paths:
        files, others = _packages_in(path)
        skipped += others
        found += [(file, _read_ordinary if path.is_dir() else _read_named) for file in files]
    return found, skipped


def _read_named(path: Path) -> bytes:
    return read_limited(path, PACKAGE_BYTES_MAX)


def _packages_in(path: Path) -> tuple[list[Path], int]:
    """The packages of a folder by name, or the file itself; how many entries are none. Folders inside are not entered.

    Links are not followed.
    """
    try:
        if not path.is_dir():
            return [path], 0
        found, others = [], 0
        for entry in _entries(path):
            ordinary = entry.name.endswith(SUFFIX) and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
            if ordinary:
                found.append(Path(entry.path))
            else:
                others += 1
    except OSError as error:
        raise LocalFault(BaseCode.MALFORMED, str(path), why=error.strerror or "unreadable") from None
    return sorted(found), others


def _read_ordinary(path: Path) -> bytes:
    """As `read_limited`, but never of a pipe or device that took a file's place: reading one could block for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LocalFault(BaseCode.MALFORMED, str(path), why="no ordinary file")
            return file.read(PACKAGE_BYTES_MAX + 1)
    except OSError as error:
        raise LocalFault(BaseCode.MALFORMED, str(path), why=error.strerror or "unreadable") from None


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        for count, entry in enumerate(entries, start=1):
            if count > FILES_MAX:
                raise LocalFault(BaseCode.OVERSIZE, str(path), entries=count, limit=FILES_MAX)
            yield entry


FILE_BYTES_MAX = 64 << 20
NESTING_MAX = 64


def show_messagepack(data: bytes) -> str:
    """Indented JSON of the one MessagePack value in `data`. Raises RemoteFault OVERSIZE, MALFORMED."""
    if len(data) > FILE_BYTES_MAX:
        raise RemoteFault(BaseCode.OVERSIZE, "file", bytes=len(data), limit=FILE_BYTES_MAX)
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=False)
        return json.dumps(_json_value(value, 0), indent=1, ensure_ascii=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise RemoteFault(BaseCode.MALFORMED, "file", why=str(error)[:200]) from None


def _json_value(value: Any, depth: int) -> Any:
    if depth > NESTING_MAX:
        raise ValueError("nested too deeply")
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [_json_value(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item, depth + 1) for key, item in value.items()}
    return value if isinstance(value, str | int | bool | None) else repr(value)
