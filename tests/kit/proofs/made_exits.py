"""An exit file that anybody can make: any payments, under a header that validators of its own signed."""

import msgspec

from clearing.base.codec import encode
from clearing.base.hashing import sha256
from clearing.schema.records.exits import ExitKind, ExitLeaf, ExitRecord, ExitTotals, ExitTree
from clearing.state.modules import Module, record_key
from clearing.state.record_opening import RecordOpening
from clearing.state.tree import BUCKETS, DEPTH, bucket_hash, bucket_of, record_leaf_hash, tree_node_hash
from consensus.light_client import LightBlock
from member.verifying.exits import exit_file
from node.api.proofs import exit_view
from node.epochs.member_files import AccountExit, ExitLeafProof, ExitTotalsProof
from tests.kit.proofs import small_market as market

EPOCH, HEIGHT, ACCOUNT = 4, 43, 7
VAULT, TOKEN, TO = b"\xa1" * 20, b"\xc1" * 20, b"\x0a" * 20


def made_exit_file(amount: int, epoch: int = EPOCH) -> bytes:
    """Account 7 is owed so many base units, by a state that has nothing else; the set is that of the small market."""
    leaf = ExitLeaf(ExitKind.ACCOUNT, ACCOUNT, ACCOUNT, 1, VAULT, TOKEN, TO, amount, sha256(b"salt"))
    totals = ExitTotals(1, VAULT, TOKEN, amount, 0, amount, 1, 0)
    tree = ExitTree(epoch, HEIGHT, (totals,), (leaf,))
    opening = RecordOpening(sha256(b"record"), (), (), tuple(sha256(bytes([level])) for level in range(DEPTH)))
    record = encode(ExitRecord(epoch, HEIGHT, tree.count, tree.root))
    roots = [bytes([module]) * 32 for module in range(len(Module))]
    roots[Module.WITHDRAWALS] = _module_root(record, opening, epoch)
    header, certificate, validators = market.certified(bytes(32), epoch=epoch, module_roots=tuple(roots))
    own = tuple(ExitLeafProof(index, each, tree.proof(index)) for index, each in tree.of_account(ACCOUNT))
    sums = tuple(ExitTotalsProof(index, each, tree.proof(index)) for index, each in enumerate(tree.totals))
    found = AccountExit(epoch, HEIGHT, ACCOUNT, TO, tree.count, tree.root, own, sums, opening)
    block = LightBlock(header, certificate, validators, validators)
    return msgspec.json.encode(exit_file(exit_view(found, epoch), encode(block)))


def _module_root(record: bytes, opening: RecordOpening, epoch: int) -> bytes:
    found = bucket_hash((record_leaf_hash(opening.salt, record_key("exits", epoch), record),))
    node = BUCKETS + bucket_of(opening.salt)
    for sibling in opening.path:
        found = tree_node_hash(sibling, found) if node & 1 else tree_node_hash(found, sibling)
        node >>= 1
    return found
