import { type FundView } from "../../../../client/typescript/src/index";
import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { newestReceipts, withLater, withReceipt } from "../node/receipts";
import { type Session } from "../session";
import { integer, money, percent, words } from "../ui/formats";
import { Empty, Figure, Figures, Mark, Panel, Shown, Table } from "../ui/parts";
import { Receipts } from "../ui/receipts";

/** The default fund and what it covers, who pays first, ranges, and liquidations and defaults as they happen. */
export function Risk({ session }: { session: Session }) {
  const { state } = useLive(session.live);
  const fund = useAsked(() => session.client.fund(), 10_000, [session.client], { stream: session.own, topics: ["fund", "defaults"] });
  const fundsName = (micros: string): string => money(micros);
  return (
    <>
      <Panel title="Default fund" note="Sized so that it covers what its largest members would lack in every stress scenario, beyond their margin.">
        <Shown asked={fund} what="the default fund">{(view) => (
          <>
            <Figures>
              <Figure name="Paid in">{fundsName(view.total_micros)}</Figure>
              <Figure name="Required">{fundsName(view.target_micros)}</Figure>
              <Figure name="House's own capital">{fundsName(view.house_micros)}</Figure>
              <Figure name="Rule">{words(view.sizing)}</Figure>
            </Figures>
            <Table caption="Stress scenarios" empty="No stress scenario is listed." rows={view.scenarios} columns={[
              { head: "Scenario", cell: ({ name }) => name },
              { head: "Two largest losses beyond margin", numeric: true, cell: ({ cover_two_micros }) => money(cover_two_micros) },
              { head: "Largest, or the next two", numeric: true, cell: ({ largest_or_next_two_micros }) => money(largest_or_next_two_micros) },
            ]} />
            <h3>Contributions</h3>
            <Table caption="Contributions" empty="Nobody has to contribute." rows={view.parts} columns={[
              { head: "Member", numeric: true, cell: ({ member }) => integer(member) },
              { head: "Paid in", numeric: true, cell: ({ micros }) => money(micros) },
              { head: "Required", numeric: true, cell: ({ required_micros }) => money(required_micros) },
              { head: "Called", numeric: true, cell: ({ called_micros, deadline }) => (called_micros === "0" ? "–" : `${money(called_micros)} by height ${integer(deadline)}`) },
              { head: "Status", cell: ({ status, lapsed }) => <Mark tone={lapsed ? "bad" : status === "active" ? "good" : "part"}>{lapsed ? "call lapsed" : status}</Mark> },
            ]} />
          </>
        )}</Shown>
      </Panel>
      <Panel title="Who pays for a default" note="In this order; each layer pays only what the one before it left.">
        <Shown asked={fund} what="the default fund">{(view) => <Waterfall fund={view} />}</Shown>
      </Panel>
      <Panel title="Ranges" note="How far the index and its volatility move in the scenarios of margin.">
        <Table caption="Ranges" empty="No risk group is listed." rows={state?.ranges ?? []} columns={[
          { head: "Group", cell: ({ name }) => name },
          { head: "Price range", numeric: true, cell: ({ range_ppm }) => percent(BigInt(range_ppm)) },
          { head: "Volatility", numeric: true, cell: ({ volatility_ppm }) => percent(volatility_ppm) },
          { head: "Volatility range", numeric: true, cell: ({ volatility_range_ppm }) => percent(volatility_range_ppm) },
          { head: "Lowest so far", numeric: true, cell: ({ lowest_ppm }) => percent(lowest_ppm ?? 0) },
          { head: "Highest so far", numeric: true, cell: ({ highest_ppm }) => percent(highest_ppm ?? 0) },
        ]} />
      </Panel>
      <Happenings session={session} />
    </>
  );
}

/** Layers as bars whose lengths are their amounts. */
function Waterfall({ fund }: { fund: FundView }) {
  const layers = [
    { name: "The defaulter's margin and contribution", micros: undefined },
    { name: "The house's own capital", micros: BigInt(fund.house_micros) },
    { name: "Contributions of the others", micros: BigInt(fund.total_micros) },
    { name: "Capped assessments, then variation gains, then tear-up", micros: undefined },
  ];
  const most = layers.reduce((largest, { micros = 0n }) => (micros > largest ? micros : largest), 1n);
  return (
    <ol class="layers">
      {layers.map(({ name, micros }) => (
        <li>
          <span>{name}</span>
          <span class="number">{micros === undefined ? "" : money(micros)}</span>
          {micros !== undefined && <meter min={0} max={1} value={Number((micros * 1000n) / most) / 1000} aria-label={name}>{money(micros)}</meter>}
        </li>
      ))}
    </ol>
  );
}

function Happenings({ session }: { session: Session }) {
  const signedIn = session.client.signer !== undefined;
  const liquidations = useAsked(() => (signedIn ? newestReceipts((query) => session.client.liquidations(query)) : Promise.resolve([])), signedIn ? 5_000 : 0, [session.client], { stream: session.own, topics: ["calls", "liquidations"], fold: withReceipt, join: withLater });
  const defaults = useAsked(() => (signedIn ? newestReceipts((query) => session.client.defaults(query)) : Promise.resolve([])), signedIn ? 5_000 : 0, [session.client], { stream: session.own, topics: ["defaults"], fold: withReceipt, join: withLater });
  if (!signedIn) return <Panel title="Calls, liquidations and defaults"><Empty>Members see these. Sign in under Account.</Empty></Panel>;
  return (
    <>
      <Panel title="Calls and liquidations" note="Accounts of other members are masked: the same number is the same account.">
        <Shown asked={liquidations} what="liquidations">{(list) => <Receipts list={list} empty="No account was called or liquidated." />}</Shown>
      </Panel>
      <Panel title="Defaults">
        <Shown asked={defaults} what="defaults">{(list) => <Receipts list={list} empty="Nobody has defaulted." />}</Shown>
      </Panel>
    </>
  );
}
