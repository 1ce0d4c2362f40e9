import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

/** Lines over time or over a count, drawn on a canvas; a table or a sentence beside them says the same in words. */
export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** So that the line below it is seen where both are one. */
  readonly dashed?: boolean;
}

const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000];
const COLOURS = ["--line-a", "--line-b", "--line-c", "--line-d"];

/** `along`: seconds since 1970, or a count such as of epochs if `counted`. */
export function Chart({ label, along, counted = false, lines }: { label: string; along: readonly number[]; counted?: boolean; lines: readonly Line[] }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const names = lines.map(({ name }) => name).join("\n");
  useEffect(() => {
    const place = box.current;
    if (place === null) return undefined;
    const style = getComputedStyle(place);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid"), width: 1 } };
    const drawn = new uPlot(
      {
        width: place.clientWidth,
        height: 180,
        cursor: { drag: { x: false, y: false } },
        legend: { show: lines.length > 1 },
        scales: { x: { time: !counted } },
        axes: [counted ? { ...axis, incrs: COUNTS } : axis, { ...axis, size: 84 }],
        series: [{}, ...lines.map(({ name, dashed }, at) => ({ label: name, stroke: colour(COLOURS[at % COLOURS.length] ?? ""), width: 2, ...(dashed === true ? { dash: [8, 6] } : {}) }))],
      },
      [[...along], ...lines.map(({ values }) => [...values])],
      place,
    );
    plot.current = drawn;
    const watcher = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: 180 }));
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      drawn.destroy();
      plot.current = undefined;
    };
  }, [names]);
  useEffect(() => plot.current?.setData([[...along], ...lines.map(({ values }) => [...values])]));
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
