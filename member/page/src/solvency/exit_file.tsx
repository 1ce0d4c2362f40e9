import { useState } from "preact/hooks";
import { type ExitView } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { exitFile } from "../node/exit_file";
import { type Names, type Session } from "../session";
import { integer, scaled, shortened } from "../ui/formats";
import { saved } from "../ui/saved";
import { Empty, Mark, Panel, Table } from "../ui/parts";

/** The exit file of the own account: its payments, each found under the epoch's root, and saved. */
export function ExitFile({ session }: { session: Session }) {
  const { account } = session;
  const [view, setView] = useState<ExitView | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const save = async (own: number): Promise<void> => {
    try {
      const file = await exitFile(session.client, own);
      saved(file.name, file.text);
      setView(file.view);
      setProblem("");
    } catch (error) {
      setView(undefined);
      setProblem(problemOf(error).words);
    }
  };
  return (
    <Panel title="Exit file" note="With this file the vaults pay you even if every validator stops for ever. Keep one of each epoch, fetched before the next one closes: the vaults pay by the epoch before the newest. It has secret salts.">
      {account === undefined ? <Empty>Sign in under Account to get yours.</Empty> : (
        <>
          <button type="button" onClick={() => void save(account)}>Save the exit file of account {account}</button>
          <p class="problem" role="alert">{problem}</p>
          {view !== undefined && <Payments view={view} names={session.names} />}
        </>
      )}
    </Panel>
  );
}

function Payments({ view, names }: { view: ExitView; names: Names }) {
  return (
    <div id="exit" role="status">
      <p>
        <Mark tone="good">Each payment is under the root</Mark> <code title={view.exit_root}>{shortened(view.exit_root)}</code> of epoch {integer(view.epoch)}.
        That the validators certified this root is checked by <code>crossclear exit verify</code>, with your own genesis file.
      </p>
      <Table caption="Payments" empty="There was nothing to take out at this epoch." rows={view.leaves} columns={[
        { head: "Payment", cell: ({ kind, number }) => `${kind} ${number}` },
        { head: "Token", cell: ({ chain_id, token }) => names.tokenAt(chain_id, token)?.name ?? <code title={token}>{shortened(token)}</code> },
        { head: "Amount", numeric: true, cell: ({ chain_id, token, amount }) => inUnits(amount, names.tokenAt(chain_id, token)?.decimals) },
        { head: "To", cell: ({ to }) => <code title={to}>{shortened(to)}</code> },
      ]} />
    </div>
  );
}

/** Base units, where the node does not say how many make a unit. */
const inUnits = (amount: string, decimals: number | undefined): string =>
  decimals === undefined ? integer(amount) : scaled(BigInt(amount), decimals, Math.min(decimals, 4));
