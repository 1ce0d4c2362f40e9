"""What a person needs to act as a member of a running devnet: the members' trade keys, and a note with commands.

Rule: the keys guard nothing, and are still written as secrets. Every command of the note works as it is written; a test
runs them all.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from clearing.schema.terms.genesis import Genesis
from devnet.members import DevnetMember
from member.durable_files import write_new
from member.keys.secret_files import make_secret_folder, write_secret

NOTE = "TRY-IT.md"
MEMBERS_FOLDER = "members"
TRADE_KEY = "trade-key"


def trade_key_path(folder: Path, member: DevnetMember) -> Path:
    """A member's trade key as 64 hex digits."""
    return folder / MEMBERS_FOLDER / member.name / TRADE_KEY


def write_member_keys(folder: Path, members: Sequence[DevnetMember]) -> None:
    """Write each member's trade key, mode 0600 in a folder of mode 0700. Raises LocalFault KEY_EXISTS."""
    for member in members:
        path = trade_key_path(folder, member)
        make_secret_folder(path.parent)
        write_secret(path, member.secret.hex().encode() + b"\n")


def write_note(folder: Path, genesis: Genesis, members: Sequence[DevnetMember], url: str, rpc: str) -> Path:
    """Write the note, for the last of the members; `rpc` is an endpoint of the first chain."""
    path = folder / NOTE
    write_new(path, note(folder, genesis, members, url, rpc).encode())
    return path


def note(folder: Path, genesis: Genesis, members: Sequence[DevnetMember], url: str, rpc: str) -> str:
    """Its text."""
    person, others = members[-1], ", ".join(f"{member.name} {member.id}" for member in members[:-1])
    cash = next(asset for asset in genesis.assets if asset.cash_group)
    instrument = genesis.instruments[0]
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
crossclear margin explain {person.id} {as_person}
```

What would be, had the first price fallen by a tenth, or with ten lots of {instrument.name} more; nothing is changed:

```sh
crossclear margin simulate {person.id} --index {genesis.feeds[0].id}=-10 {as_person}
crossclear margin simulate {person.id} --trade {instrument.id}=10 {as_person}
```

Take a dollar out, to your wallet on {_chain_name(genesis, cash.chain_id)}, and see what becomes of it. The vault
there pays once it has the checkpoint of a later epoch:

```sh
crossclear withdrawals request {person.id} {cash.name} 1000000 0x{person.address.hex()} {as_person}
crossclear withdrawals show {person.id} {as_person}
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


def _chain_name(genesis: Genesis, chain_id: int) -> str:
    return next(chain.name for chain in genesis.chains if chain.chain_id == chain_id)
