import { useEffect, useState } from "preact/hooks";
import { type StateView } from "../../../../client/typescript/src/index";
import { type PageClient, type Problem, problemOf } from "./client";

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
  readonly seen: readonly Seen[];
}

export const SEEN_MAX = 600;
const EVERY_MS = 1_000;
const SLOWEST_MS = 10_000;

export class LiveState {
  live: Live = { state: undefined, problem: undefined, seen: [] };
  private readonly listeners = new Set<(live: Live) => void>();
  private stopped = false;

  constructor(private readonly client: PageClient) {}

  /** Ask for ever; more slowly while the node does not answer. */
  async run(): Promise<void> {
    let wait = EVERY_MS;
    while (!this.stopped) {
      try {
        this.tell(this.after(await this.client.state()));
        wait = EVERY_MS;
      } catch (error) {
        this.tell({ ...this.live, problem: problemOf(error) });
        wait = Math.min(2 * wait, SLOWEST_MS);
      }
      await new Promise((resume) => setTimeout(resume, document.hidden ? SLOWEST_MS : wait));
    }
  }

  stop(): void {
    this.stopped = true;
  }

  subscribe(listener: (live: Live) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private after(state: State): Live {
    const { seen } = this.live;
    const height = Number(state.height);
    if (seen[seen.length - 1]?.height === height) return { state, problem: undefined, seen };
    const index = new Map((state.prices ?? []).map(({ feed, index_ticks }) => [Number(feed), Number(index_ticks)] as const));
    const timeMs = Number(state.time_ms);
    const next = { height, timeMs, delayMs: Date.now() - timeMs, index };
    return { state, problem: undefined, seen: [...seen.slice(-(SEEN_MAX - 1)), next] };
  }

  private tell(live: Live): void {
    this.live = live;
    for (const listener of this.listeners) listener(live);
  }
}

export function useLive(source: LiveState): Live {
  const [live, setLive] = useState(source.live);
  useEffect(() => source.subscribe(setLive), [source]);
  return live;
}

/** What one question to the node came to: asked again each `everyMs`, the old answer shown meanwhile. */
export interface Asked<T> {
  readonly answer: T | undefined;
  readonly problem: Problem | undefined;
  again(): void;
}

export function useAsked<T>(ask: () => Promise<T>, everyMs: number, about: readonly unknown[]): Asked<T> {
  const [turn, setTurn] = useState(0);
  const [told, setTold] = useState<{ answer: T | undefined; problem: Problem | undefined }>({ answer: undefined, problem: undefined });
  useEffect(() => {
    let over = false;
    let timer = 0;
    const look = async (): Promise<void> => {
      try {
        const answer = await ask();
        if (!over) setTold({ answer, problem: undefined });
      } catch (error) {
        if (!over) setTold((before) => ({ answer: before.answer, problem: problemOf(error) }));
      }
      if (!over && everyMs > 0) timer = window.setTimeout(() => void look(), document.hidden ? 10 * everyMs : everyMs);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [...about, turn, everyMs]);
  return { ...told, again: () => setTurn((before) => before + 1) };
}
