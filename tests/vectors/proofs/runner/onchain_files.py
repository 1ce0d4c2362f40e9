"""Page "On chain", section "Files": a `.cco` file beside its verified package, and a `.cca` file."""

from typing import Any

from tests.vectors.proofs.runner import onchain
from tests.vectors.proofs.runner.encoding import Reader, Refused, leaf_path_root, need, packed, point, scalar
from tests.vectors.proofs.runner.verify import Package

EPOCH_BYTES, ACCOUNT_BYTES = 2**26, 2**16


def read(data: bytes, kind: str, limit: int) -> dict[str, Any]:
    need(len(data) <= limit, "OVERSIZE", kind)
    found: dict[str, Any] = Reader(data).whole(f"`{kind}`")
    need(packed(found) == data, "NON_CANONICAL", kind)
    return found


def leaf_of(record: dict[str, Any]) -> onchain.Leaf:
    return onchain.Leaf(record["account"], record["shortfall"], record["presenter"], record["c_w"], list(record["c_d"]))


def check_epoch(data: bytes, of_package: bytes) -> None:
    """Whether the keys of a `.cco` file follow from its leaves and a package that is known to be good."""
    epoch = read(data, "OnchainEpoch", EPOCH_BYTES)
    order = [(share["validators_hash"], share["validator"]) for share in epoch["shares"]]
    need(order == sorted(set(order)), "MALFORMED", "shares")
    package = Package(of_package)
    package.statement()
    leaves, layout = [leaf_of(record) for record in epoch["leaves"]], package.layout
    same = [(leaf.account, leaf.sigma, leaf.c_w) for leaf in leaves] == package.linear.accounts
    need(same and all(len(leaf.c_d) == layout.columns for leaf in leaves), "BAD_STATEMENT", "leaves")
    stated = package.stated
    found = onchain.derive_keys(stated["network"], stated["epoch"], stated["height"], package.root, layout, leaves)
    need(words_of(epoch["keys"]) == found.words, "KEYS_DIFFER", "keys")
    need(epoch["time_s"] == package.header["time_ms"] // 1000, "KEYS_DIFFER", "time")


def check_account(data: bytes) -> None:
    """All of a `.cca` file but who certified its keys."""
    shown = read(data, "OnchainAccount", ACCOUNT_BYTES)
    need(1 <= shown["keys"]["epoch"] <= shown["keys"]["height"], "EPOCH_IMPOSSIBLE", "keys")
    keys, leaf, presentation = keys_of(shown["keys"]), leaf_of(shown["leaf"]), shown["presentation"]
    need(len(leaf.c_d) == len(keys.u), "BAD_STATEMENT", "columns")
    try:
        root = leaf_path_root(leaf.words, shown["index"], shown["keys"]["accounts"], shown["path"])
    except Refused as refused:
        raise Refused("WRONG_ROOT", *refused.args) from None
    need(root == shown["keys"]["leaves_root"], "WRONG_ROOT", "leaf")
    onchain.verify(keys, leaf, shown["proof"])
    audience = presentation["audience"]
    named = (audience["chain_id"], audience["verifier"], audience["caller"], audience["purpose"])
    digest = onchain.presentation_digest(*named, keys, leaf)
    onchain.check_presentation(digest, presentation["r"], presentation["vs"], leaf)


def words_of(keys: dict[str, Any]) -> bytes:
    return onchain.words_of(
        keys["network"],
        keys["epoch"],
        keys["height"],
        keys["commitments_root"],
        keys["layout"],
        keys["size"],
        keys["leaves_root"],
        keys["accounts"],
        int.from_bytes(keys["constant"], "big"),
        int.from_bytes(keys["sigma"], "big"),
        [point(each) for each in keys["u"]],
        point(keys["v"]),
    )


def keys_of(keys: dict[str, Any]) -> onchain.Keys:
    constant, sigma = scalar(keys["constant"]), scalar(keys["sigma"])
    u, v = [point(each) for each in keys["u"]], point(keys["v"])
    return onchain.Keys(keys["size"], constant, sigma, u, v, words_of(keys))
