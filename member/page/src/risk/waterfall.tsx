import { type FundView } from "../../../../client/typescript/src/index";
import { type Receipt } from "../node/receipts";
import { type Names } from "../session";
import { money } from "../ui/formats";
import { Panel, Table } from "../ui/parts";

/** Who pays for a default, as a picture whose bars are as long as their amounts, and what each layer bore of the last loss. */
interface Layer {
  readonly name: string;
  readonly micros: bigint | undefined;
  readonly words: string;
}

const [WIDTH, ROW, LEFT, LONGEST] = [720, 44, 300, 400];

export function Waterfall({ fund, losses, names }: { fund: FundView; losses: readonly Receipt[]; names: Names }) {
  const { assessmentPpm } = names;
  const assessable = assessmentPpm === undefined ? undefined : fund.parts.reduce((sum, { required_micros }) => sum + (BigInt(required_micros) * BigInt(assessmentPpm)) / 1_000_000n, 0n);
  const layers: Layer[] = [
    { name: "1. The defaulter's margin", micros: undefined, words: "all that it has" },
    { name: "2. The defaulter's contribution", micros: undefined, words: "all that it paid in" },
    { name: "3. The house's own capital", micros: BigInt(fund.house_micros), words: money(fund.house_micros) },
    { name: "4. Contributions of the others", micros: BigInt(fund.total_micros), words: money(fund.total_micros) },
    { name: "5. Assessments of the others", micros: assessable, words: assessable === undefined ? "not known yet" : assessable === 0n ? "none" : `at most ${money(assessable)}` },
    { name: "6. Gains of the day", micros: undefined, words: "in proportion" },
    { name: "7. Tear-up and claims", micros: undefined, words: "what is left, in proportion" },
  ];
  const most = layers.reduce((largest, { micros = 0n }) => (micros > largest ? micros : largest), 1n);
  const long = (micros: bigint): number => Number((BigInt(LONGEST) * micros) / most);
  const last = losses.find(({ kind }) => kind === "LossAllocated");
  return (
    <Panel title="Who pays for a default" note="In this order; each layer pays only what the one before it left. The longer a bar, the more the layer can bear.">
      <div class="scroll" tabIndex={0} role="group" aria-label="Waterfall">
        <svg class="waterfall" viewBox={`0 0 ${WIDTH} ${ROW * layers.length}`} role="img" aria-label={layers.map(({ name, words }) => `${name}: ${words}`).join("; ")}>
          {layers.map(({ name, micros, words }, at) => (
            <g>
              {at > 0 && <path class="flow" d={`M ${LEFT + 6} ${ROW * at - 8} v 12 m -4 -5 l 4 5 l 4 -5`} />}
              <text x={0} y={ROW * at + 26}>{name}</text>
              <rect class={micros === undefined ? "layer open" : "layer"} x={LEFT} y={ROW * at + 8} height={26} width={micros === undefined ? LONGEST : Math.max(2, long(micros))} />
              <text class="amount" x={LEFT + 12} y={ROW * at + 26}>{words}</text>
            </g>
          ))}
        </svg>
      </div>
      {last !== undefined && (
        <>
          <h3>The last loss: {money(String(last.details["loss"] ?? "0"))} of member {String(last.details["member"])}</h3>
          <Table caption="What each layer bore of the last loss" empty="No layer bore anything." rows={(last.details["steps"] ?? []) as readonly Step[]} columns={[
            { head: "Layer", cell: ({ layer }) => layer.replaceAll("_", " ") },
            { head: "Bore", numeric: true, cell: ({ loss_borne }) => money(loss_borne) },
            { head: "Payers", numeric: true, cell: ({ shares }) => String(shares.length) },
          ]} />
        </>
      )}
    </Panel>
  );
}

interface Step {
  readonly layer: string;
  readonly loss_borne: string;
  readonly shares: readonly unknown[];
}
