import { type Frame, type LiquidationPage, type StateView } from "../../../../client/typescript/src/index";
import { useAsked } from "../node/asked";
import { decimalsOf, useLive } from "../node/live";
import { type Session } from "../session";
import { integer, money, percent, tokens } from "../ui/formats";
import { Panel, Shown, Table } from "../ui/parts";
import { accountName } from "./accounts";

/** What can be bid for in the next block: slices of portfolios and collateral. */
type Slices = LiquidationPage["sales"];

export function Sales({ session, everyMs }: { session: Session; everyMs: number }) {
  const { state } = useLive(session.live);
  const slices = useAsked<Slices>(
    async () => (await session.client.liquidations({ limit: 1 })).sales, everyMs, [session.client],
    { stream: session.own, topics: ["sales"], fold: newestSlices },
  );
  const assetOf = (asset: number) => state?.assets?.find((each) => Number(each.asset) === asset);
  return (
    <Panel title="Auctions now" note="Slices of the portfolios of accounts in liquidation, at the next block's discount off the mark, and collateral of lapsed cash calls.">
      <Shown asked={slices} what="what is for sale">{(list) => (
        <Table caption="Slices for sale" empty="No slice is for sale." rows={list} columns={[
          { head: "Account", cell: ({ account }) => accountName(account) },
          { head: "Discount", numeric: true, cell: ({ discount_ppm }) => percent(Number(discount_ppm)) },
          { head: "Largest slice", numeric: true, cell: ({ slice_max_ppm }) => percent(Number(slice_max_ppm)) },
          { head: "Until height", numeric: true, cell: ({ last_height }) => integer(last_height) },
          { head: "Positions", cell: ({ positions }) => positions.map(({ instrument, lots }) => `${session.names.instrument(Number(instrument))} ${integer(lots)} lots`).join(", ") },
        ]} />
      )}</Shown>
      <Table caption="Collateral for sale" empty="No collateral is for sale." rows={(state?.sales ?? []) as NonNullable<StateView["sales"]>} columns={[
        { head: "Seller", cell: ({ seller }) => accountName(seller) },
        { head: "Token", cell: ({ asset }) => assetOf(Number(asset))?.name ?? String(asset) },
        { head: "Amount", numeric: true, cell: ({ asset, units }) => tokens(units, decimalsOf(state, asset)) },
        { head: "Price of a clearing unit", numeric: true, cell: ({ micros_per_unit }) => money(micros_per_unit) },
        { head: "Until height", numeric: true, cell: ({ last_height }) => integer(last_height) },
      ]} />
    </Panel>
  );
}

/** A delta has the fields that changed. */
const newestSlices = (before: Slices | undefined, { data }: Frame): Slices | undefined => (data as { slices?: Slices }).slices ?? before;
