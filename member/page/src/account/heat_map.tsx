import { useState } from "preact/hooks";
import { type Session } from "../session";
import { useNewest } from "../ui/acts";
import { money, percent } from "../ui/formats";
import { Panel, Problem } from "../ui/parts";
import { type Problem as NodeProblem, problemOf } from "../node/client";
import { asksPerson } from "../node/keys";

/** Gain or loss of equity over moves of one group's index and volatility, each asked of the node's own engine. */
const MOVES_PPM = [-300_000, -200_000, -100_000, -50_000, 0, 50_000, 100_000, 200_000, 300_000];
const POINTS_PPM = [200_000, 0, -200_000];
const PACE_MS = 40; // below the API's rate of requests

export function HeatMap({ session, account }: { session: Session; account: number }) {
  const groups = session.live.live.state?.ranges ?? [];
  const [choice, choose] = useState<number | undefined>(undefined);
  const chosen = choice ?? Number(groups[0]?.group ?? 0);
  const [cells, setCells] = useState<readonly (readonly bigint[])[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<NodeProblem | undefined>(undefined);
  const begin = useNewest();
  // A map is of one group: that of another goes, and is asked for no further.
  const turn = (group: number): void => {
    begin();
    choose(group);
    setBusy(false);
    setCells([]);
    setProblem(undefined);
  };
  const fill = async (): Promise<void> => {
    if (busy) return;
    const isNewest = begin();
    setBusy(true);
    setCells([]);
    setProblem(undefined);
    try {
      const feed = session.names.feedOfGroup(chosen);
      if (feed === undefined) throw new Error("The terms of the group are not known yet. Try again in a moment.");
      const rows: bigint[][] = [];
      for (const points of POINTS_PPM) {
        const row: bigint[] = [];
        for (const move of MOVES_PPM) {
          const shock = {
            index: move === 0 ? [] : [{ feed, move_ppm: move }],
            volatility: points === 0 ? [] : [{ group: chosen, points_ppm: points }],
          };
          if (!isNewest()) return;
          const { before, after } = await session.client.simulateMargin(account, shock);
          row.push(BigInt(after.equity_micros) - BigInt(before.equity_micros));
          await new Promise((resume) => setTimeout(resume, PACE_MS));
        }
        rows.push(row);
      }
      if (isNewest()) setCells(rows);
    } catch (error) {
      if (isNewest()) setProblem(problemOf(error));
    } finally {
      if (isNewest()) setBusy(false);
    }
  };
  const most = cells.flat().reduce((largest, value) => ((value < 0n ? -value : value) > largest ? (value < 0n ? -value : value) : largest), 1n);
  return (
    <Panel title="Gain and loss by price and volatility" note="Each cell is the change of equity that the node's margin engine computes; nothing is traded.">
      <div class="row">
        <label for="heat-group">Group</label>
        <select id="heat-group" value={chosen} onChange={(event) => turn(Number(event.currentTarget.value))}>
          {groups.map(({ group, name }) => <option key={Number(group)} value={Number(group)}>{name}</option>)}
        </select>
        <button type="button" aria-disabled={busy} disabled={groups.length === 0 || asksPerson(session.client.signer)} onClick={() => void fill()}>{busy ? "Asking…" : "Compute"}</button>
      </div>
      {problem !== undefined && <Problem problem={problem} />}
      {cells.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label="Heat map">
          <table id="heat">
            <caption class="hidden">Change of equity by move of the index and of volatility</caption>
            <thead><tr><th scope="col">Volatility</th>{MOVES_PPM.map((move) => <th scope="col" class="number">{percent(move, 0)}</th>)}</tr></thead>
            <tbody>
              {cells.map((row, at) => (
                <tr>
                  <th scope="row">{percent(POINTS_PPM[at] ?? 0, 0)}</th>
                  {row.map((value) => <td class={`number heat ${value < 0n ? "loss" : "gain"}-${steps(value, most)}`}>{money(value)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

/** 0 to 4: style attributes would need a laxer policy. */
const steps = (value: bigint, most: bigint): number => Number((4n * (value < 0n ? -value : value)) / most);
