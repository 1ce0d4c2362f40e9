"""Evidence that a node is handed reaches its readiness and its disk, not only the judgement of its validators."""

import subprocess
import sys
from pathlib import Path

import httpx
import msgspec

from clearing.base import bls
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.errors import CrossclearError
from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms
from consensus.evidence.attack import conflict
from consensus.light_client import LightBlock
from devnet import testnet
from member.keys.key_folder import Purpose
from member.light.source import HttpSource
from tests.kit.certificates import make_certificate
from tests.kit.ports import free_port
from tests.kit.until import until_now

ROOT = Path(__file__).resolve().parents[3]
SEED = 9


def alone(validators: ValidatorSet) -> Genesis:
    """A network of one without chains or feeds."""
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    return Genesis("one", 1_000, validators, (), (), (), (), (), risk, MarketParameters(), (house,))


def forged(block: LightBlock, secret: int) -> LightBlock:
    """Another header of the height that the only validator certified, too."""
    header = msgspec.structs.replace(block.header, payload_root=b"\7" * 32)
    round_, validators = block.certificate.round, block.validators
    digest = vote_digest(header.network, validators.hash, VoteKind.PRECOMMIT, header.height, round_, header.hash)
    shares = {0: bls.sign(secret, digest)}
    certificate = make_certificate(VoteKind.PRECOMMIT, header.height, round_, header.hash, validators, shares)
    return msgspec.structs.replace(block, header=header, certificate=certificate)


def test_evidence_that_a_node_is_handed_shows_in_its_readiness(tmp_path: Path) -> None:
    home = testnet.create_testnet(tmp_path / "net", alone, validators=1, devnet=True, seed=SEED).nodes[0].home
    secret = int.from_bytes(testnet._secrets(SEED, 0)[Purpose.VALIDATOR], "big")
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = ("consensus.heartbeat_ms=50", "relayer.enabled=false", f"p2p.port={free_port()}", f"api.port={port}")
    arguments = ["start", "--config", str(home / "node.toml"), *(part for each in settings for part in ("--set", each))]
    program = f"import sys\nfrom cli.main import run\nsys.exit(run({arguments!r}))"
    node, source = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT), HttpSource(url)

    def decided() -> bool:
        try:
            return source.block(None).header.height >= 3
        except CrossclearError:
            return False

    try:
        until_now(lambda: node.poll() is not None or decided())
        real = source.block(3)
        source.submit(conflict(source.block(2), real, forged(real, secret)))
        checks = {each["name"]: each for each in httpx.get(f"{url}/readyz", timeout=60).json()["checks"]}
        assert checks["conflict-3"]["ok"]
        assert "this node writes to no vault" in checks["conflict-3"]["detail"]
        assert len(list((home / "conflicts").glob("3-*.conflict"))) == 1
        assert "crossclear_bridge_conflicts 1.0" in httpx.get(f"{url}/metrics", timeout=60).text
    finally:
        source.close()
        node.terminate()
        node.wait()
