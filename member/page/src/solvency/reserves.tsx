import { type ReservesView } from "../../../../client/typescript/src/index";
import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Names, type Session } from "../session";
import { Chart } from "../ui/chart";
import { integer, percent, shortened, tokens } from "../ui/formats";
import { Empty, Mark, Panel, Shown, Table } from "../ui/parts";

/** What the vaults have against what they owe, by token and epoch, and what is owed now. */
type Token = ReservesView["epochs"][number]["tokens"][number];

export function Reserves({ session }: { session: Session }) {
  const { state } = useLive(session.live);
  const reserves = useAsked(() => session.client.reserves(), 15_000, [session.client], { stream: session.live.stream, topics: ["epochs"] });
  return (
    <>
      <Panel title="Reserves against what is owed" note="What each vault has, and what it owes with deposits and withdrawals on their way, at the end of each epoch, by this node's word. Nobody compared it with the epoch's package, which proves its own amounts.">
        <Shown asked={reserves} what="reserves">{({ epochs }) => <History epochs={epochs} names={session.names} />}</Shown>
      </Panel>
      <Panel title="Owed now" note="What the network owes its members in each token at the newest height, by this node's word.">
        <Table caption="Owed in each token" empty="No token is listed." rows={state?.assets ?? []} columns={[
          { head: "Token", cell: ({ name }) => name },
          { head: "Chain", numeric: true, cell: ({ chain_id }) => String(chain_id) },
          { head: "Owed", numeric: true, cell: ({ inventory_units, unit_decimals }) => tokens(inventory_units, Number(unit_decimals)) },
          { head: "Use", cell: ({ cash_group }) => (Number(cash_group) > 0 ? "cash" : "collateral") },
          { head: "State", cell: ({ shortage, suspended }) => shortage !== null && shortage !== undefined ? <Mark tone="bad">halted: the vault lacks some</Mark> : suspended === true ? <Mark tone="part">suspended</Mark> : <Mark tone="good">in use</Mark> },
        ]} />
      </Panel>
    </>
  );
}

const keyOf = ({ chain_id, vault, token }: Token): string => `${chain_id} ${vault} ${token}`;

function History({ epochs, names }: { epochs: ReservesView["epochs"]; names: Names }) {
  const newest = epochs[epochs.length - 1];
  if (newest === undefined) return <Empty>This node keeps no package. Each epoch is proven by some of the validators only: ask another node.</Empty>;
  const nameOf = ({ chain_id, token }: Token): string => names.tokenAt(chain_id, token)?.name ?? shortened(token);
  const decimals = ({ chain_id, token }: Token): number | undefined => names.tokenAt(chain_id, token)?.decimals;
  const shown = (each: Token, amount: string): string => tokens(amount, decimals(each));
  const lineOf = (wanted: Token, name: "balance_amount" | "owed_amount" | "claims_amount"): (number | null)[] => epochs.map(({ tokens }) => {
    const found = tokens.find((each) => keyOf(each) === keyOf(wanted));
    return found === undefined ? null : Number(found[name]) / 10 ** (decimals(wanted) ?? 0);
  });
  return (
    <>
      <Table caption={`Reserves at epoch ${newest.epoch}`} empty="The network has no token." rows={newest.tokens} columns={[
        { head: `Token, epoch ${integer(newest.epoch)}`, cell: nameOf },
        { head: "Claims of members", numeric: true, cell: (each) => shown(each, each.claims_amount) },
        { head: "Owed in all", numeric: true, cell: (each) => shown(each, each.owed_amount) },
        { head: "In the vault", numeric: true, cell: (each) => shown(each, each.balance_amount) },
        { head: "Covered", numeric: true, cell: ({ owed_amount, balance_amount }) => <Covered owed={BigInt(owed_amount)} balance={BigInt(balance_amount)} /> },
      ]} />
      {epochs.length > 1 && newest.tokens.map((each) => (
        <>
          <h3>{nameOf(each)}{decimals(each) === undefined && ", in smallest units"}</h3>
          <Chart label={`${nameOf(each)}: in the vault, owed in all and claims of members, epochs ${epochs[0]?.epoch} to ${newest.epoch}`} counted along={epochs.map(({ epoch }) => Number(epoch))} lines={[
            { name: "in the vault", values: lineOf(each, "balance_amount") },
            { name: "owed in all", values: lineOf(each, "owed_amount"), dashed: true },
            { name: "claims of members", values: lineOf(each, "claims_amount"), dashed: true },
          ]} />
        </>
      ))}
    </>
  );
}

function Covered({ owed, balance }: { owed: bigint; balance: bigint }) {
  if (owed === 0n) return <>–</>;
  const ppm = (1_000_000n * balance) / owed;
  return <Mark tone={balance >= owed ? "good" : "bad"}>{percent(ppm)}</Mark>;
}
