"""The commands for a vault that runs: what it says of itself, its update without a relayer, and its brake."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from bridge.contracts.schemes import CertificateScheme
from clearing.base.codec import encode
from clearing.base.hashing import sha256
from clearing.base.secp256k1 import recover
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from devnet.anvil import Anvil
from member.light.evidence import keep_attack
from member.vaults.conflict import CONFLICT_SUFFIX, certified_words, conflict_between
from tests.kit.bridge.vault_chain import (
    COLD,
    COLD_KEYS,
    FOUR,
    GUARDIAN,
    NETWORK,
    UNIT,
    USER,
    Signers,
    VaultChain,
    make_header,
)
from tests.kit.command_line import CommandLine, Printed
from tests.kit.node.light_chain import Node, certified, header_of, serving, set_of

pytestmark = pytest.mark.chain
FIRST, SECOND, THIRD = {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}


def blocks_of(sets: Sequence[Iterable[int]]) -> list[LightBlock]:
    """Height h has the set sets[h - 1]; headers as a vault takes them."""
    people, blocks = [frozenset(each) for each in sets], list[LightBlock]()
    for height, members in enumerate(people, 1):
        after = people[min(height, len(people) - 1)]
        parent = blocks[-1].header.hash if blocks else NETWORK
        header = header_of(height, parent, members, after, network=NETWORK, withdrawals_root=sha256(b"withdrawals"))
        blocks.append(certified(header, members, after, members))
    return blocks


class Keeper:
    """Who looks after one vault."""

    def __init__(self, cli: CommandLine, place: VaultChain, folder: Path) -> None:
        self.cli, self.place, self.folder = cli, place, folder
        self.at = "0x" + place.vault_at.address.hex()
        self.payer = self.key("payer", USER)

    def key(self, name: str, secret: bytes) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(secret.hex())
        return path

    def run(self, verb: str, *words: object, code: int = 0) -> Printed:
        there = [self.at, "--rpc", self.place.chain.url, "--output", "json"]
        return self.cli("vault", verb, *there, *words, code=code)

    def rotate(self, node: Node, *words: object, code: int = 0) -> Printed:
        with serving(node) as (url,):
            return self.run("rotate", "--url", url, "--payer-file", self.payer, *words, code=code)


@pytest.fixture
def keep(cli: CommandLine, anvil: Callable[..., Anvil], tmp_path: Path) -> Callable[..., Keeper]:
    return lambda signers=FOUR, **terms: Keeper(cli, VaultChain(anvil(), signers, **terms), tmp_path)


def first_set() -> Signers:
    return Signers(set_of(frozenset(FIRST)), ())


def test_the_status_is_what_the_vault_knows(keep: Callable[..., Keeper]) -> None:
    keeper = keep()
    place, token = keeper.place, "0x" + keeper.place.token_at.address.hex()
    place.deposit(7 * UNIT)
    place.certified(make_header(FOUR, 41, withdrawals_count=3))
    found = keeper.run("status", "--token", token).json
    height, count, trusted_at, root, *_ = place.view("latest")
    assert (found["height"], found["withdrawals_count"], found["root_number"]) == (height, count, root) == (41, 3, 1)
    assert (found["trusted_at"], found["trusted_until"]) == (trusted_at, trusted_at + place.terms.trusting_s)
    assert (found["validators_hash"], found["has_keys"]) == ("0x" + FOUR.validators.hash.hex(), True)
    assert (found["stage"], found["paused_until"], found["is_frozen"]) == ("none", 0, False)
    assert found["silent_from"] == place.view("silentFrom")
    assert found["deposit_nonce"] == 1
    (counters,) = found["tokens"]
    assert [counters[name] for name in ("deposited", "withdrawn", "owed", "balance")] == ["700", "0", "700", "700"]


def test_the_status_names_silence(keep: Callable[..., Keeper]) -> None:
    keeper = keep()
    keeper.place.at(keeper.place.view("silentFrom") + 1)
    keeper.place.chain.rpc("evm_mine")
    assert keeper.run("status").json["stage"] == "silent"
    assert "escape: silent" in keeper.cli("vault", "status", keeper.at, "--rpc", keeper.place.chain.url).out


def test_the_guardian_pauses_and_nobody_else(keep: Callable[..., Keeper]) -> None:
    keeper = keep()
    before = keeper.place.user.web3.eth.block_number
    assert "NotGuardian" in keeper.run("pause", "--guardian-file", keeper.payer, code=6).err
    assert keeper.place.user.web3.eth.block_number == before
    guardian = keeper.key("guardian", GUARDIAN)
    keeper.place.chain.fund(keeper.run("status").json["guardian"])
    found = keeper.run("pause", "--guardian-file", guardian).json
    assert found["paused_until"] == keeper.place.view("pausedUntil") > found["now"]
    assert "PausedAlready" in keeper.run("pause", "--guardian-file", guardian, code=6).err


def test_the_cold_quorum_ends_a_pause_by_what_a_wallet_signs(keep: Callable[..., Keeper]) -> None:
    keeper = keep()
    keeper.run("unpause", code=1)
    keeper.place.guard()
    decision = keeper.run("unpause").json
    typed = encode_typed_data(full_message=decision["typed_data"])
    signatures = [Account.sign_message(typed, secret).signature.hex() for secret in COLD]
    assert recover(bytes.fromhex(decision["digest"][2:]), bytes.fromhex(signatures[0])) == COLD_KEYS.addresses[0]
    pay = ["--payer-file", keeper.payer]
    assert "UnderColdQuorum" in keeper.run("unpause", "--signature", signatures[0], *pay, code=6).err
    two = ["--signature", signatures[2], "--signature", signatures[1]]
    assert keeper.run("unpause", *two, *pay).json["paused_until"] == 0
    assert "not_paused" in keeper.run("unpause", code=1).err
    keeper.place.deposit(UNIT)


def test_a_light_client_s_evidence_freezes_a_vault_once(keep: Callable[..., Keeper]) -> None:
    keeper = keep()
    made = [make_header(FOUR, 8, payload_root=sha256(name)) for name in (b"one", b"two")]
    first, second = sorted(made, key=lambda header: header.hash)
    below = make_header(FOUR, 7)
    common, low, high = (
        LightBlock(header, FOUR.certify(header, (0, 1, 2)), FOUR.validators, FOUR.validators)
        for header in (below, first, second)
    )
    evidence = ["--evidence", keep_attack(keeper.folder / "seen", LightClientAttack(common, low, high))]
    block_number = keeper.place.user.web3.eth.block_number
    tried = keeper.run("freeze", *evidence).json
    assert (tried["outcome"], tried["height"], tried["transaction"]) == ("would freeze", 8, "")
    assert keeper.place.user.web3.eth.block_number == block_number
    assert keeper.run("status").json["is_frozen"] is False
    pay = ["--payer-file", keeper.payer]
    assert len(keeper.run("freeze", *evidence, *pay).json["transaction"]) == 66
    assert keeper.run("status").json["is_frozen"] is True
    again = keeper.run("freeze", *evidence, *pay).json
    assert (again["outcome"], again["transaction"]) == ("frozen", "")
    assert keeper.place.user.web3.eth.block_number == block_number + 1


@pytest.mark.parametrize("scheme", CertificateScheme)
def test_a_node_s_evidence_freezes_a_vault_of_its_kind(keep: Callable[..., Keeper], scheme: CertificateScheme) -> None:
    keeper = keep(scheme=scheme)
    certify = FOUR.sign if scheme is CertificateScheme.ECDSA else FOUR.certify
    made = [make_header(FOUR, 8, payload_root=sha256(name)) for name in (b"one", b"two")]
    one, other = (certified_words(each, certify(each, (0, 1, 2))) for each in made)
    file = keeper.folder / f"8-seen{CONFLICT_SUFFIX}"
    file.write_bytes(encode(conflict_between(one, other)))
    keeper.run("freeze", "--evidence", file, "--payer-file", keeper.payer)
    assert keeper.run("status").json["is_frozen"] is True


def test_a_vault_of_another_set_names_why_it_does_not_freeze(keep: Callable[..., Keeper]) -> None:
    keeper = keep(first_set())
    made = [make_header(FOUR, 8, payload_root=sha256(name)) for name in (b"one", b"two")]
    shown = [LightBlock(header, FOUR.certify(header, (0, 1, 2)), FOUR.validators, FOUR.validators) for header in made]
    file = keep_attack(keeper.folder / "seen", LightClientAttack(shown[0], *shown))
    assert "WrongValidatorSet" in keeper.run("freeze", "--evidence", file, code=6).err


@pytest.mark.parametrize(("heights", "begin"), [((5, 3, 4), 1), ((2, 1, 1), 1), ((1, 9, 1), 1), ((6, 5, 2), 4)])
def test_a_vault_follows_every_set_to_the_newest_header(
    keep: Callable[..., Keeper], heights: tuple[int, int, int], begin: int
) -> None:
    keeper = keep(first_set())
    sets = [FIRST] * heights[0] + [SECOND] * heights[1] + [THIRD] * heights[2]
    node = Node(blocks_of(sets))
    found = keeper.rotate(node, "--from-height", begin).json
    assert (found["height"], found["has_keys"]) == (len(sets), True)
    assert found["validators_hash"] == "0x" + set_of(frozenset(THIRD)).hash.hex()
    before = keeper.place.user.web3.eth.block_number
    keeper.rotate(node)
    assert keeper.place.user.web3.eth.block_number == before, "nothing is left to do"


def test_keys_of_a_set_that_the_newest_header_begins_are_installed(keep: Callable[..., Keeper]) -> None:
    keeper = keep(first_set())
    node = Node(blocks_of([FIRST, FIRST, SECOND])[:2])
    found = keeper.rotate(node).json
    assert (found["height"], found["has_keys"]) == (2, True)
    assert found["validators_hash"] == "0x" + set_of(frozenset(SECOND)).hash.hex()


def test_a_vault_goes_on_from_its_checkpoint(keep: Callable[..., Keeper]) -> None:
    keeper, blocks = keep(first_set()), blocks_of([FIRST] * 3 + [SECOND] * 3 + [THIRD] * 3)
    assert keeper.rotate(Node(blocks[:5])).json["height"] == 5
    assert keeper.rotate(Node(blocks)).json["height"] == 9


def test_a_lying_node_costs_nothing(keep: Callable[..., Keeper]) -> None:
    keeper = keep(first_set())
    before = keeper.place.user.web3.eth.block_number
    strangers = blocks_of([{5, 6, 7}] * 4)
    assert "vault_astray" in keeper.rotate(Node(strangers), code=6).err
    few = blocks_of([FIRST] * 2)
    header = few[-1].header
    few[-1] = certified(header, frozenset(FIRST), frozenset(FIRST), {0, 1})
    assert "transaction_reverted" in keeper.rotate(Node(few), code=6).err
    assert keeper.place.user.web3.eth.block_number == before
