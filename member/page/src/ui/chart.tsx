import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

/** A line over time, drawn on a canvas; a table or a sentence beside it says the same in words. */
export interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

const COLOURS = ["--line-a", "--line-b", "--line-c", "--line-d"];

export function Chart({ label, seconds, lines }: { label: string; seconds: readonly number[]; lines: readonly Line[] }) {
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
        axes: [axis, { ...axis, size: 84 }],
        series: [{}, ...lines.map(({ name }, at) => ({ label: name, stroke: colour(COLOURS[at % COLOURS.length] ?? ""), width: 2 }))],
      },
      [[...seconds], ...lines.map(({ values }) => [...values])],
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
  useEffect(() => plot.current?.setData([[...seconds], ...lines.map(({ values }) => [...values])]));
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
