"""What a person needs to act as a member of a running devnet: trade keys, a submitter's token, a note with commands.

Rule: the keys guard nothing, and are still written as secrets. Every command of the note works as it is written; a test
runs them all.
"""

import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from clearing.base.hashing import sha256
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import Genesis
from devnet.members import DevnetMember
from member.durable_files import write_new
from member.keys.secret_files import make_secret_folder, write_secret
from node.config import Submitter

NOTE = "TRY-IT.md"
MEMBERS_FOLDER = "members"
TRADE_KEY = "trade-key"
TOKEN = "submitter/token"
SUBMITTER = "try-it"
"""What the settings of the first node call who has the token."""
DEPOSITED = 5
"""Whole tokens that the note pays in; the wallet gets more."""


def trade_key_path(folder: Path, member: DevnetMember) -> Path:
    """A member's trade key as 64 hex digits."""
    return folder / MEMBERS_FOLDER / member.name / TRADE_KEY


def write_member_keys(folder: Path, members: Sequence[DevnetMember]) -> None:
    """Write each member's trade key, mode 0600 in a folder of mode 0700. Raises LocalFault KEY_EXISTS."""
    for member in members:
        path = trade_key_path(folder, member)
        make_secret_folder(path.parent)
        write_secret(path, member.secret.hex().encode() + b"\n")


def write_submitter(folder: Path) -> Submitter:
    """Write a new token, mode 0600; the settings of the node that takes it. Raises LocalFault KEY_EXISTS."""
    token = secrets.token_hex(32)
    make_secret_folder((folder / TOKEN).parent)
    write_secret(folder / TOKEN, token.encode() + b"\n")
    return Submitter(name=SUBMITTER, token_sha256=sha256(token.encode()).hex())


def write_note(folder: Path, genesis: Genesis, members: Sequence[DevnetMember], url: str, rpc: str) -> Path:
    """Write the note, for the last of the members; `rpc` is an endpoint of the first chain."""
    path = folder / NOTE
    write_new(path, note(folder, genesis, members, url, rpc).encode())
    return path


def note(folder: Path, genesis: Genesis, members: Sequence[DevnetMember], url: str, rpc: str) -> str:
    """Its text."""
    person, others = members[-1], ", ".join(f"{member.name} {member.id}" for member in members[:-1])
    cash = next(asset for asset in genesis.assets if asset.cash_group)
    paid = spendable(genesis)
    instrument = genesis.instruments[0]
    wallet, token = (shlex.quote(str(path)) for path in (trade_key_path(folder, person), folder / TOKEN))
    amount = DEPOSITED * 10**paid.token_decimals
    making = (
        f"crossclear deposits make 0x{paid.vault.hex()} 0x{paid.token.hex()} {person.id} {amount}"
        f" --rpc {rpc} --payer-file {wallet} --output json"
    )
    transaction = """"$(python -c "import json; print(json.load(open('deposit.json'))['transaction'])")\""""
    as_person = f"--secret-file {shlex.quote(str(trade_key_path(folder, person)))} --url {url}"
    programs = shlex.quote(str(Path(sys.executable).parent))
    return f"""# Be a member of this network

You are {person.name}, account {person.id}. Your trade key is `{trade_key_path(folder, person)}`.
It signs for the account, and is its wallet on every chain. The others have theirs beside it: {others}
(name and account). None of them guards anything.

```sh
export PATH={programs}:"$PATH"
```

What you have, and each term of its margin:

```sh
crossclear margin explain {person.name} {as_person}
```

What would be, had the first price fallen by a tenth, or with ten lots of {instrument.name} more; nothing is changed:

```sh
crossclear margin simulate {person.name} --index {genesis.feeds[0].name}=-10 {as_person}
crossclear margin simulate {person.name} --lots {instrument.name}=10 {as_person}
```

Pay {DEPOSITED} {paid.name} of your wallet on {_chain_name(genesis, paid.chain_id)} into your account. Then submit the
deposit with a submitter's token, as somebody who is no member would, and follow it until it is credited:

```sh
{making} > deposit.json
crossclear collateral submit {paid.chain_id} {transaction} --token-file {token} --url {url}
crossclear collateral status {paid.chain_id} {transaction} --wait --url {url}
```

`{SUBMITTER}` is what the settings of the node at {url} call who has the token; they have its SHA-256 alone.

Take a dollar out, to your wallet on {_chain_name(genesis, cash.chain_id)}, and see what becomes of it. The vault
there pays once it has the checkpoint of a later epoch:

```sh
crossclear withdrawals request {person.name} "1 {cash.name}" 0x{person.address.hex()} {as_person}
crossclear withdrawals show {person.name} {as_person}
```

Your statement of today, as CSV:

```sh
crossclear statement "$(date -u +%F)" {as_person}
```

What anybody can see, also without a key:

```sh
crossclear status --url {url}
crossclear fund show --url {url}
crossclear governance show --url {url}
crossclear vault status 0x{bytes(genesis.chains[0].vault).hex()} --rpc {rpc}
```
"""


def spendable(genesis: Genesis) -> Asset:
    """The token of the note's deposit: the first cash of the first chain."""
    chain_id = genesis.chains[0].chain_id
    return next(asset for asset in genesis.assets if asset.cash_group and asset.chain_id == chain_id)


def _chain_name(genesis: Genesis, chain_id: int) -> str:
    return next(chain.name for chain in genesis.chains if chain.chain_id == chain_id)
