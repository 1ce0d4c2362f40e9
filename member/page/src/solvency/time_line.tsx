import { type PackagePage } from "../../../../client/typescript/src/index";
import { useEffect, useState } from "preact/hooks";
import { type PageClient, patient } from "../node/client";
import { integer, LOCALE, time } from "../ui/formats";
import { Empty, Table } from "../ui/parts";

/** Epochs along time: which are proven, which this browser verified, and of which this node keeps no package. */
type Package = PackagePage["packages"][number];
export type Standing = "proven" | "verified here" | "verified in part here" | "refused here" | "no package here";

export interface Present {
  readonly epoch: number;
  readonly timeMs: number;
}

interface Mark {
  readonly epoch: number;
  readonly timeMs: number;
  /** Whether the time is counted from those of the epochs beside it. */
  readonly about: boolean;
  readonly standing: Standing;
}

const [WIDTH, HEIGHT, LEFT, RIGHT, BASE] = [720, 96, 24, 24, 44];

/** `standingOf`: of an epoch with a package. `present`: the epoch that is open, at the newest height. */
export function TimeLine({ packages, client, present, standingOf }: { packages: readonly Package[]; client: PageClient; present: Present | undefined; standingOf: (line: Package) => Standing }) {
  const times = useTimes(packages, client);
  const marks = marksOf(packages, times, present, standingOf);
  const [first, last] = [marks[0], marks[marks.length - 1]];
  if (first === undefined || last === undefined) return <Empty>This node has given no time of an epoch yet.</Empty>;
  const until = Math.max(present?.timeMs ?? 0, last.timeMs);
  const length = Math.max(until - first.timeMs, 1);
  const along = (ms: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * (ms - first.timeMs)) / length;
  const counts = (["proven", "verified here", "verified in part here", "refused here", "no package here"] as const).map((each) => [marks.filter(({ standing }) => standing === each).length, each] as const);
  const label = `Epochs ${first.epoch} to ${last.epoch}, ${time(first.timeMs)} to ${time(until)}: ${counts.filter(([count]) => count > 0).map(([count, each]) => `${count} ${each}`).join(", ")}`;
  return (
    <>
      <div class="scroll" tabIndex={0} role="group" aria-label="Time line of epochs">
        <svg class="time-line" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
          <line class="flow" x1={LEFT} x2={WIDTH - RIGHT} y1={BASE} y2={BASE} />
          {[0, 1, 2, 3].map((each) => {
            const ms = first.timeMs + (length * each) / 3;
            return (
              <>
                <line class="flow" x1={along(ms)} x2={along(ms)} y1={BASE + 12} y2={BASE + 18} />
                <text x={along(ms)} y={BASE + 36} text-anchor={each === 0 ? "start" : each === 3 ? "end" : "middle"}>{shortTime(ms, length)}</text>
              </>
            );
          })}
          {marks.map((mark) => <Epoch mark={mark} x={along(mark.timeMs)} />)}
          <text x={along(first.timeMs)} y={16} text-anchor="start">{`epoch ${integer(first.epoch)}`}</text>
          {last !== first && <text x={along(last.timeMs)} y={16} text-anchor="end">{integer(last.epoch)}</text>}
        </svg>
      </div>
      <p class="note">○ proven, by this node's word; ● verified in this browser, ◐ verified in part, ✗ refused by it, ┆ no package at this node. When an epoch closed is this node's word.</p>
      <details>
        <summary>The time line as a list</summary>
        <Table caption="Epochs along time" empty="No epoch has closed." rows={[...marks].reverse()} columns={[
          { head: "Epoch", numeric: true, cell: ({ epoch }) => integer(epoch) },
          { head: "Closed", cell: ({ timeMs, about }) => `${about ? "about " : ""}${time(timeMs)}` },
          { head: "Proof", cell: ({ standing }) => standing },
        ]} />
      </details>
    </>
  );
}

function Epoch({ mark: { epoch, standing, timeMs, about }, x }: { mark: Mark; x: number }) {
  const title = <title>{`Epoch ${epoch}, ${about ? "about " : ""}${time(timeMs)}: ${standing}`}</title>;
  if (standing === "no package here") return <line class="missing" x1={x} x2={x} y1={BASE - 9} y2={BASE + 9}>{title}</line>;
  if (standing === "refused here") return <path class="refused" d={`M${x - 6} ${BASE - 6}l12 12m0 -12l-12 12`}>{title}</path>;
  return (
    <g>
      {title}
      <circle class={standing === "verified here" ? "proven verified" : "proven"} cx={x} cy={BASE} r={6} />
      {standing === "verified in part here" && <path class="half" d={`M${x} ${BASE - 6}a6 6 0 0 0 0 12z`} />}
    </g>
  );
}

/** When the snapshots of packages were, by their heights' headers. They never change, so each is asked for once, one after another. */
function useTimes(packages: readonly Package[], client: PageClient): ReadonlyMap<number, number> {
  const [times, setTimes] = useState<ReadonlyMap<number, number>>(new Map());
  const heights = packages.map(({ height }) => Number(height)).join();
  useEffect(() => {
    let over = false;
    const ask = async (): Promise<void> => {
      const found = new Map(times);
      for (const { height } of packages) {
        if (over) return;
        if (found.has(Number(height))) continue;
        try {
          found.set(Number(height), Number((await patient(() => client.header(String(height)), () => !over)).time_ms));
        } catch {
          continue; // the node keeps this header no more: the epoch stands between those beside it
        }
      }
      if (!over) setTimes(found);
    };
    void ask();
    return () => {
      over = true;
    };
  }, [heights, client]);
  return times;
}

/** One for each epoch that closed since the first whose time is known. Between known times, epochs are taken to be equally long. */
export function marksOf(packages: readonly Package[], times: ReadonlyMap<number, number>, present: Present | undefined, standingOf: (line: Package) => Standing): readonly Mark[] {
  const kept = new Map(packages.map((each) => [Number(each.epoch), each]));
  const standing = (epoch: number): Standing => {
    const line = kept.get(epoch);
    return line === undefined ? "no package here" : standingOf(line);
  };
  const known = packages.flatMap(({ epoch, height }) => {
    const timeMs = times.get(Number(height));
    return timeMs === undefined ? [] : [{ epoch: Number(epoch), timeMs }];
  }).sort((a, b) => a.epoch - b.epoch);
  const newest = known[known.length - 1];
  if (newest !== undefined && present !== undefined && present.epoch > newest.epoch && present.timeMs > newest.timeMs) known.push(present);
  const marks: Mark[] = [];
  for (const [at, { epoch, timeMs }] of known.entries()) {
    const next = known[at + 1];
    if (kept.has(epoch)) marks.push({ epoch, timeMs, about: false, standing: standing(epoch) });
    for (let between = epoch + 1; next !== undefined && between < next.epoch && marks.length < MARKS_MAX; between += 1) {
      const share = (between - epoch) / (next.epoch - epoch);
      marks.push({ epoch: between, timeMs: timeMs + share * (next.timeMs - timeMs), about: true, standing: standing(between) });
    }
  }
  return marks;
}

/** A node that keeps few packages of many epochs has long gaps: then not each epoch of a gap has a mark. */
const MARKS_MAX = 200;

/** The time of day alone where all is within one. */
const shortTime = (ms: number, length: number): string =>
  new Intl.DateTimeFormat(LOCALE, length < 86_400_000 ? { timeStyle: "medium" } : { dateStyle: "medium" }).format(ms);
