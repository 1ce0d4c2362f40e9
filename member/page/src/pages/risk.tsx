import { type DefaultPage, type FundView } from "../../../../client/typescript/src/index";
import { useAsked } from "../node/asked";
import { asksPerson } from "../node/keys";
import { useLive } from "../node/live";
import { newestReceipts, type Receipt, withLater, withReceipt } from "../node/receipts";
import { CallsUnderWay } from "../risk/calls";
import { Sales } from "../risk/sales";
import { Waterfall } from "../risk/waterfall";
import { type Session } from "../session";
import { Chart } from "../ui/chart";
import { integer, money, percent, words } from "../ui/formats";
import { Empty, Figure, Figures, Mark, Panel, Shown, Table } from "../ui/parts";
import { Receipts } from "../ui/receipts";

/** The default fund and what it covers, who pays first, ranges, and calls, auctions, liquidations and defaults as they happen. */
const EVERY_MS = 5_000;
const PERSON_MS = 0; // a wallet asks its owner each time

export function Risk({ session }: { session: Session }) {
  const { state } = useLive(session.live);
  const fund = useAsked(() => session.client.fund(), 10_000, [session.client], { stream: session.own, topics: ["fund", "defaults"] });
  const signedIn = session.client.signer !== undefined;
  return (
    <>
      <Panel title="Default fund" note="Sized so that, after the house's own capital, it covers what its largest members would lack in every stress scenario beyond their margin.">
        <Shown asked={fund} what="the default fund">{(view) => <Fund view={view} />}</Shown>
      </Panel>
      {!signedIn && fund.answer !== undefined && <Waterfall fund={fund.answer} losses={[]} names={session.names} />}
      {signedIn && <Happenings session={session} fund={fund.answer} />}
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
      {!signedIn && <Panel title="Calls, liquidations and defaults"><Empty>Members see these. Sign in under Account.</Empty></Panel>}
    </>
  );
}

function Fund({ view }: { view: FundView }) {
  const paid = BigInt(view.total_micros);
  const bears = paid + BigInt(view.house_micros); // the house's capital bears a loss before the fund does
  return (
    <>
      <Figures>
        <Figure name="Paid in" tone={paid >= BigInt(view.target_micros) ? "good" : "part"}>{money(view.total_micros)}</Figure>
        <Figure name="Required">{money(view.target_micros)}</Figure>
        <Figure name="House's own capital">{money(view.house_micros)}</Figure>
        <Figure name="Rule">{words(view.sizing)}</Figure>
      </Figures>
      <Table caption="Stress results" empty="No stress scenario is listed." rows={view.scenarios} columns={[
        { head: "Stress scenario", cell: ({ name }) => name },
        { head: "Two largest losses beyond margin", numeric: true, cell: ({ cover_two_micros }) => money(cover_two_micros) },
        { head: "Largest, or the next two", numeric: true, cell: ({ largest_or_next_two_micros }) => money(largest_or_next_two_micros) },
        { head: "House and fund cover it", cell: ({ cover_two_micros }) => <Mark tone={bears >= BigInt(cover_two_micros) ? "good" : "bad"}>{bears >= BigInt(cover_two_micros) ? "yes" : "no"}</Mark> },
      ]} />
      {view.sizes_micros.length > 1 && (
        <Chart label={`Required size of the fund in the last ${view.sizes_micros.length} epochs`} counted along={view.sizes_micros.map((_, at) => Number(view.epoch) - view.sizes_micros.length + 1 + at)} lines={[{ name: "required", values: view.sizes_micros.map((micros) => Number(micros) / 1e6) }]} />
      )}
      <h3>Contributions</h3>
      <Table caption="Contributions" empty="Nobody has to contribute." rows={view.parts} columns={[
        { head: "Member", numeric: true, cell: ({ member }) => integer(member) },
        { head: "Paid in", numeric: true, cell: ({ micros }) => money(micros) },
        { head: "Required", numeric: true, cell: ({ required_micros }) => money(required_micros) },
        { head: "Called", numeric: true, cell: ({ called_micros, deadline }) => (called_micros === "0" ? "–" : `${money(called_micros)} by height ${integer(deadline)}`) },
        { head: "Status", cell: ({ status, lapsed }) => <Mark tone={lapsed ? "bad" : status === "active" ? "good" : "part"}>{lapsed ? "call lapsed" : status}</Mark> },
      ]} />
    </>
  );
}

/** What members see: calls, auctions, liquidations and defaults. */
function Happenings({ session, fund }: { session: Session; fund: FundView | undefined }) {
  const about = [session.client];
  const every = asksPerson(session.client.signer) ? PERSON_MS : EVERY_MS;
  const liquidations = useAsked<readonly Receipt[]>(
    () => newestReceipts((query) => session.client.liquidations(query)), every, about,
    { stream: session.own, topics: ["calls", "liquidations"], fold: withReceipt, join: withLater },
  );
  const defaults = useAsked<readonly Receipt[]>(
    () => newestReceipts((query) => session.client.defaults(query)), every, about,
    { stream: session.own, topics: ["defaults"], fold: withReceipt, join: withLater },
  );
  const underWay = useAsked<DefaultPage["under_way"]>(async () => (await session.client.defaults({ limit: 1 })).under_way, every, about, { stream: session.own, topics: ["defaults"] });
  return (
    <>
      {fund !== undefined && <Waterfall fund={fund} losses={defaults.answer ?? []} names={session.names} />}
      <CallsUnderWay session={session} everyMs={every} />
      <Sales session={session} everyMs={every} />
      <Panel title="Calls and liquidations" note={<>Accounts of other members are masked: the same mask is the same account. <code>crossclear liquidations explain</code> computes every figure again.</>}>
        <Shown asked={liquidations} what="liquidations">{(list) => <Receipts list={list} names={session.names} empty="No account was called or liquidated." />}</Shown>
      </Panel>
      <Panel title="Defaults">
        <Shown asked={underWay} what="defaults">{(list) => (
          <Table caption="Defaults under way" empty="No default is under way." rows={list} columns={[
            { head: "Number", numeric: true, cell: ({ number }) => integer(number) },
            { head: "Member", numeric: true, cell: ({ member }) => integer(member) },
            { head: "Phase", cell: ({ phase }) => <Mark tone="bad">{words(phase)}</Mark> },
            { head: "Since height", numeric: true, cell: ({ declared_height }) => integer(declared_height) },
            { head: "Bids until height", numeric: true, cell: ({ auction_height }) => (Number(auction_height) === 0 ? "–" : integer(auction_height)) },
          ]} />
        )}</Shown>
        <Shown asked={defaults} what="defaults">{(list) => <Receipts list={list} names={session.names} empty="Nobody has defaulted." />}</Shown>
      </Panel>
    </>
  );
}
