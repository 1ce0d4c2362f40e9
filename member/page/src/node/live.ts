import { useEffect, useState } from "preact/hooks";
import { type Frame, type StateView, type Whole } from "../../../../client/typescript/src/index";
import { type PageClient, type Problem, problemOf } from "./client";
import { type PageStream, REACHED } from "./stream";

/** What the page knows of the newest height, and of those before it since the page was opened. Bounded. */
export type State = StateView;

export interface Seen {
  readonly height: number;
  readonly timeMs: number;
  readonly delayMs: number;
  readonly index: ReadonlyMap<number, number>;
}

export interface Live {
  readonly state: State | undefined;
  readonly problem: Problem | undefined;
  /** Whether the node streams what happens; otherwise the page asks. */
  readonly streams: boolean;
  readonly seen: readonly Seen[];
}

export const SEEN_MAX = 600;
const EVERY_MS = 1_000;
const SLOWEST_MS = 10_000;
const DRAWN_EVERY_MS = 100; // blocks may come oftener

export class LiveState {
  live: Live = { state: undefined, problem: undefined, streams: false, seen: [] };
  private readonly listeners = new Set<(live: Live) => void>();
  private stopped = false;
  private drawing = false;
  private wake: () => void = () => undefined;

  constructor(private readonly client: PageClient, readonly stream: PageStream) {
    stream.subscribe(["heights", "marks"], (frame) => this.take(frame));
    stream.onChange(() => {
      this.tell({ ...this.live, streams: stream.isOpen });
      this.wake();
    });
  }

  /** Ask for ever: each second without a stream; rarely beside one, for what it does not show and to notice that it is dead. */
  async run(): Promise<void> {
    let wait = EVERY_MS;
    while (!this.stopped) {
      try {
        this.answered(await this.client.state());
        wait = EVERY_MS;
      } catch (error) {
        this.tell({ ...this.live, problem: problemOf(error) });
        this.stream.breakOff();
        wait = Math.min(2 * wait, SLOWEST_MS);
      }
      await this.pause(document.hidden || this.stream.isOpen ? SLOWEST_MS : wait);
    }
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  subscribe(listener: (live: Live) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private answered(answer: State): void {
    const { state: before, problem } = this.live;
    if (!this.stream.isOpen) this.stream.forgetBeyond(BigInt(answer.height));
    // Frames that came while the question was under way are newer than its answer.
    const newer = this.stream.isOpen && before !== undefined && before.height > answer.height ? streamed(before) : {};
    this.reached({ ...answer, ...newer });
    if (problem !== undefined) dispatchEvent(new Event(REACHED));
  }

  private take({ topic, data }: Frame): void {
    const { state } = this.live;
    if (state === undefined) return; // the first answer is on its way
    if (topic === "heights") {
      const news = data as Heights;
      this.reached({ ...state, ...news });
      if (state.epoch !== news.epoch) this.wake();
    } else {
      const { prices, marks } = data as Marks;
      const news = { ...state, prices: merged(state.prices, prices, "feed"), marks: merged(state.marks, marks, "instrument") };
      // A block's prices come after its height.
      const [last] = this.live.seen.slice(-1);
      const seen = last === undefined ? [] : [...this.live.seen.slice(0, -1), { ...last, index: indexOf(news) }];
      this.tell({ ...this.live, state: news, seen });
    }
  }

  private reached(state: State): void {
    const { seen } = this.live;
    const height = Number(state.height);
    const live = { state, problem: undefined, streams: this.stream.isOpen };
    if (seen[seen.length - 1]?.height === height) return this.tell({ ...live, seen });
    const timeMs = Number(state.time_ms);
    const next = { height, timeMs, delayMs: Date.now() - timeMs, index: indexOf(state) };
    this.tell({ ...live, seen: [...seen.slice(-(SEEN_MAX - 1)), next] });
  }

  private tell(live: Live): void {
    this.live = live;
    if (this.drawing) return;
    this.drawing = true;
    setTimeout(() => {
      this.drawing = false;
      for (const listener of [...this.listeners]) listener(this.live);
    }, DRAWN_EVERY_MS);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      const timer = setTimeout(resume, ms);
      this.wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }
}

const indexOf = ({ prices = [] }: State): ReadonlyMap<number, number> => new Map(prices.map(({ feed, index_ticks }) => [Number(feed), Number(index_ticks)] as const));

/** How many digits of a token's units are behind the point; undefined where the newest state has no such token, or did not come yet. */
export function decimalsOf(state: State | undefined, asset: Whole | string): number | undefined {
  const found = state?.assets?.find((each) => String(each.asset) === String(asset));
  return found === undefined ? undefined : Number(found.unit_decimals);
}

type Heights = Pick<State, "height" | "time_ms" | "header_hash" | "state_root" | "epoch">;
type Marks = Pick<State, "prices" | "marks">;

/** What streams say of a state. */
const streamed = ({ height, time_ms, header_hash, state_root, epoch, prices = [], marks = [] }: State): Heights & Marks => ({ height, time_ms, header_hash, state_root, epoch, prices, marks });

/** Those that changed take the place of those before; what only the whole state says is kept. */
function merged<T extends object, K extends keyof T>(before: readonly T[] | undefined, news: readonly T[] | undefined, key: K): readonly T[] {
  const changed = new Map((news ?? []).map((each) => [each[key], each] as const));
  return (before ?? []).map((each) => ({ ...each, ...withoutUnits(changed.get(each[key])) }));
}

/** A stream leaves out the units of display, which are the node's and not the block's. */
function withoutUnits<T extends object>(each: T | undefined): Partial<T> {
  const { ticks_per_unit: _, ...rest } = (each ?? {}) as T & { ticks_per_unit?: unknown };
  return rest as unknown as Partial<T>;
}

export function useLive(source: LiveState): Live {
  const [live, setLive] = useState(source.live);
  useEffect(() => {
    setLive(source.live); // what came between the drawing and this
    return source.subscribe(setLive);
  }, [source]);
  return live;
}
