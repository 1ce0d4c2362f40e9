"""What closing an epoch leaves: commitments, the members' files, and the saved states, behind the heights."""

from collections.abc import Callable

from clearing.schema.terms.genesis import Genesis
from member.statements.saved_days import SavedDays
from node.agreement.application import DecidedHeight
from node.app.persister import Persister
from node.config import NodeConfig
from node.epochs.member_files import EpochExits, EpochHoldings, EpochStatements
from node.epochs.seeds import AccountSeeds
from node.epochs.service import EpochService
from node.epochs.signed_answers import answer_signer
from node.signer.node_keys import NodeKeys
from node.store.store import Store
from node.sync.restore import Restored
from proofs.epoch.pool import EpochProver


class EpochServices:
    """Built for the restored state; `statement_record` gives what is saved of statements beside a state."""

    def __init__(
        self,
        config: NodeConfig,
        genesis: Genesis,
        network_id: bytes,
        keys: NodeKeys,
        own_key: bytes,
        store: Store,
        prover: EpochProver,
        restored: Restored,
        statement_record: Callable[[DecidedHeight], SavedDays | None],
    ) -> None:
        delay, seeds = genesis.market.snapshot_delay_blocks, AccountSeeds(keys.network_seed)
        self.epochs = EpochService(prover, seeds, delay, own_key, restored.epochs)
        self.holdings = EpochHoldings(
            config.path("holdings"),
            self.epochs.seed_of,
            sign=answer_signer(network_id, keys.envelope),
            seal_key=self.epochs.seal_key,
        )
        self.exits = EpochExits(config.path("exits"))
        self.statements = EpochStatements(config.path("statements"))
        self.persister = Persister(
            store,
            self.epochs,
            holdings=self.holdings,
            exits=self.exits,
            statements=self.statements,
            statement_record=statement_record,
        )
        self.persister.restored(restored.height, restored.state)
