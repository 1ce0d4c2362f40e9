import { type AccountView } from "../../../../client/typescript/src/index";
import { decimalsOf, useLive } from "../node/live";
import { type Session } from "../session";
import { integer, money, percent, price, tokens } from "../ui/formats";
import { Table } from "../ui/parts";

/** Positions at their marks, cash, and collateral tokens by chain with what the haircut leaves of them. */
export function Holdings({ view, session }: { view: AccountView; session: Session }) {
  const { state } = useLive(session.live);
  const { names } = session;
  const markOf = (instrument: number): string | undefined => state?.marks?.find((each) => Number(each.instrument) === instrument)?.mark_ticks;
  const assetOf = (asset: number) => state?.assets?.find((each) => Number(each.asset) === asset);
  return (
    <>
      <h3>Positions</h3>
      <Table caption="Positions" empty="You have no position." rows={view.positions ?? []} columns={[
        { head: "Instrument", cell: ({ name }) => name },
        { head: "Lots", numeric: true, cell: ({ lots }) => integer(lots) },
        { head: "Mark", numeric: true, cell: ({ instrument }) => { const ticks = markOf(Number(instrument)); return ticks === undefined ? "–" : price(ticks, names.unit(names.feedOf(Number(instrument)))); } },
      ]} />
      <h3>Cash</h3>
      <Table caption="Cash" empty="You have no cash." rows={view.cash ?? []} columns={[
        { head: "Currency", cell: ({ name }) => name },
        { head: "Amount", numeric: true, cell: ({ amount_micros }) => money(amount_micros) },
      ]} />
      <h3>Collateral by chain</h3>
      <Table caption="Collateral by chain" empty="You have no collateral token; cash has no haircut." rows={view.tokens ?? []} columns={[
        { head: "Token", cell: ({ name }) => name },
        { head: "Chain", numeric: true, cell: ({ asset }) => String(assetOf(Number(asset))?.chain_id ?? "–") },
        { head: "Amount", numeric: true, cell: ({ asset, amount_units }) => tokens(amount_units, decimalsOf(state, asset), 6) },
        { head: "Haircut", numeric: true, cell: ({ asset }) => { const haircut = assetOf(Number(asset))?.haircut_ppm; return haircut === undefined ? "–" : percent(Number(haircut)); } },
      ]} />
    </>
  );
}
