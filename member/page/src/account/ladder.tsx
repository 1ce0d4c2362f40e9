import { type AccountView } from "../../../../client/typescript/src/index";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { integer, money, percent, span } from "../ui/formats";
import { Figure, Figures, Mark, Table, type Tone } from "../ui/parts";

/** Equity against the levels at which something happens, and the call that is under way. */
interface Rung {
  readonly name: string;
  readonly micros: bigint;
  readonly below: string;
}

export function Ladder({ view, session }: { view: AccountView; session: Session }) {
  const equity = BigInt(view.equity_micros);
  const [initial, maintenance] = [BigInt(view.initial_margin_micros), BigInt(view.maintenance_margin_micros)];
  const { deadlineBlocks, urgentPpm, earlyPpm } = session.names.calls ?? { deadlineBlocks: undefined, urgentPpm: 0, earlyPpm: 0 };
  const rungs: Rung[] = [
    { name: "Initial margin", micros: initial, below: "only what lowers risk is allowed" },
    { name: "Margin call", micros: maintenance, below: deadlineBlocks === undefined ? "–" : deadlineBlocks > 0 ? `you are called and have ${integer(deadlineBlocks)} blocks` : "the account is liquidated at once" },
    ...((deadlineBlocks ?? 0) > 0 ? [{ name: "Urgent", micros: (maintenance * BigInt(urgentPpm)) / 1_000_000n, below: "no time is left: the account is liquidated" }] : []),
  ];
  const tone: Tone = equity >= initial ? "good" : equity >= maintenance ? "part" : "bad";
  const most = [equity, initial, 1n].reduce((a, b) => (a > b ? a : b));
  const share = (value: bigint): number => Number((1000n * (value > 0n ? value : 0n)) / most) / 1000;
  return (
    <>
      <Figures>
        <Figure name="Equity" tone={tone}><span id="equity">{money(equity)}</span></Figure>
        <Figure name="Initial margin">{money(initial)}</Figure>
        <Figure name="Maintenance margin">{money(maintenance)}</Figure>
        <Figure name="Free for new risk">{money(equity - initial)}</Figure>
      </Figures>
      <meter min={0} max={1} low={share(maintenance)} high={share(initial)} optimum={1} value={share(equity)} aria-label="Equity against initial and maintenance margin">{money(equity)}</meter>
      <Calls view={view} session={session} />
      <h3>Margin ladder</h3>
      <Table caption="Margin ladder" empty="" rows={initial === 0n ? [] : rungs} columns={[
        { head: "Level", cell: ({ name }) => name },
        { head: "At", numeric: true, cell: ({ micros }) => money(micros) },
        { head: "Equity beyond it", numeric: true, cell: ({ micros }) => <Mark tone={equity >= micros ? "good" : "bad"}>{money(equity - micros)}</Mark> },
        { head: "With less equity", cell: ({ below }) => below },
      ]} />
      {initial === 0n ? <p class="empty">Without positions nothing is required.</p> : (
        <p class="note">
          {earlyPpm > 0 ? `An early call comes before, when the margin call is at least ${percent(earlyPpm)} likely. It forces nothing. ` : ""}
          {(deadlineBlocks ?? 0) > 0 ? "While chains or oracles are late, the level of a margin call may be higher, up to initial margin, and the time longer." : ""}
        </p>
      )}
    </>
  );
}

/** What was called, since when, and how much time is left. */
function Calls({ view, session }: { view: AccountView; session: Session }) {
  const { seen, state } = useLive(session.live);
  const [first, last] = [seen[0], seen[seen.length - 1]];
  const pace = first !== undefined && last !== undefined && last.height > first.height ? (last.timeMs - first.timeMs) / (last.height - first.height) : 0;
  const height = Math.max(Number(view.height), Number(state?.height ?? 0));
  const missing = BigInt(view.initial_margin_micros) - BigInt(view.equity_micros);
  return (
    <div id="calls">
      {(view.calls ?? []).map(({ kind, opened_height, deadline_height, lapsed }) => {
        const left = Math.max(0, Number(deadline_height) - height);
        return (
          <p role="alert">
            <Mark tone={lapsed ? "bad" : "part"}>{kind === "early" ? "Early call" : "Margin call"}</Mark> since height {integer(opened_height)}.{" "}
            {lapsed ? "Its time is over." : (
              <>
                Bring {money(missing > 0n ? missing : 0n)} of collateral, or lower the initial margin as much, before height {integer(deadline_height)}:{" "}
                {integer(left)} blocks{pace > 0 ? `, about ${span(left * pace)}` : ""}.
              </>
            )}
          </p>
        );
      })}
      {view.in_liquidation === true && <p role="alert"><Mark tone="bad">In liquidation</Mark> Slices of the portfolio are sold until the account is at initial margin.</p>}
    </div>
  );
}
