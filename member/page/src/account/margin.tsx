import { type MarginView, type Whole } from "../../../../client/typescript/src/index";
import { type Names } from "../session";
import { money, percent, price, scaled, time, words } from "../ui/formats";
import { Panel, Table } from "../ui/parts";

/** Every term of equity and requirement, with what it is made of; liquidation prices and Greeks. */
type View = MarginView;
type Term = View["equity"][number];

export function Margin({ view, names }: { view: View; names: Names }) {
  return (
    <>
      <Panel title="Equity, term by term"><Terms list={view.equity} whole={BigInt(view.equity_micros)} /></Panel>
      <Panel title="Initial margin, term by term" note={`Maintenance margin is ${view.maintenance_fraction[0]}/${view.maintenance_fraction[1]} of it.`}>
        <Terms list={view.requirement} whole={BigInt(view.initial_margin_micros)} />
      </Panel>
      <Panel title="Liquidation prices" note="The nearest index at which the account would be liquidated while all else stands.">
        <Table caption="Liquidation prices" empty="There is none." rows={view.liquidation ?? []} columns={[
          { head: "Feed", cell: ({ name }) => name },
          { head: "Index", numeric: true, cell: ({ feed, index_ticks }) => price(index_ticks, names.unit(feed)) },
          { head: "Below", numeric: true, cell: ({ feed, index_ticks, below_ticks }) => distance(index_ticks, below_ticks, names.unit(feed)) },
          { head: "Above", numeric: true, cell: ({ feed, index_ticks, above_ticks }) => distance(index_ticks, above_ticks, names.unit(feed)) },
        ]} />
      </Panel>
      <Panel title="Greeks" note="How the value of the positions moves, by expiry; collateral is not counted.">
        <Table caption="Greeks by expiry" empty="There is no position." rows={byExpiry(view)} columns={[
          { head: "Group", cell: ({ name }) => name },
          { head: "Expiry", cell: ({ expiry_ms }) => (expiry_ms === undefined ? <b>all</b> : Number(expiry_ms) === 0 ? "none" : time(expiry_ms)) },
          { head: "Delta", numeric: true, cell: ({ delta_nano }) => scaled(BigInt(delta_nano), 9, 4) },
          { head: "Gamma for 1 %", numeric: true, cell: ({ gamma_nano }) => scaled(BigInt(gamma_nano), 9, 4) },
          { head: "Vega for a point", numeric: true, cell: ({ vega_micros }) => money(vega_micros) },
          { head: "Theta for a day", numeric: true, cell: ({ theta_micros }) => money(theta_micros) },
        ]} />
      </Panel>
    </>
  );
}

type Greeks = NonNullable<View["greeks"]>[number] & { readonly expiry_ms?: Whole };

/** Each group's expiries, then their sum where there are several. */
function byExpiry({ greeks = [], expiry_greeks = [] }: View): readonly Greeks[] {
  return greeks.flatMap((whole): readonly Greeks[] => {
    const parts = expiry_greeks.filter(({ group }) => group === whole.group);
    return parts.length > 1 ? [...parts, whole] : parts;
  });
}

function distance(index: string, at: string | null, unit: number): string {
  if (at === null) return "–";
  return `${price(at, unit)} (${percent(Math.round((1e6 * (Number(at) - Number(index))) / Number(index)))})`;
}

function Terms({ list, whole }: { list: readonly Term[]; whole: bigint }) {
  const share = (micros: string): string => (whole === 0n ? "–" : percent(Number((1_000_000n * BigInt(micros)) / whole), 1));
  return (
    <Table caption="Terms" empty="There is no term." rows={list} columns={[
      { head: "Term", cell: (term) => <Inputs term={term} /> },
      { head: "Of", cell: ({ of }) => of },
      { head: "Amount", numeric: true, cell: ({ amount_micros }) => money(amount_micros) },
      { head: "Share", numeric: true, cell: ({ amount_micros }) => share(amount_micros) },
    ]} />
  );
}

function Inputs({ term }: { term: Term }) {
  return (
    <details>
      <summary>{words(term.name)}</summary>
      <dl class="pairs">
        {Object.entries(term.inputs).flatMap(([name, value]) => [<dt>{words(name)}</dt>, <dd>{value}</dd>])}
        <dt>source</dt><dd>{term.source}</dd>
        <dt>rounding</dt><dd>{term.rounding}</dd>
      </dl>
      {(term.parts ?? []).length > 0 && <ul>{(term.parts ?? []).map(({ name, of, amount_micros }) => <li>{words(name)} of {of}: {money(amount_micros)}</li>)}</ul>}
    </details>
  );
}
