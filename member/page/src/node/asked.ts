import { useEffect, useState } from "preact/hooks";
import { type Frame } from "../../../../client/typescript/src/index";
import { type Problem, problemOf } from "./client";
import { type PageStream, REACHED } from "./stream";

/** What one question to the node came to; the old answer is shown while it is asked again. */
export interface Asked<T> {
  readonly answer: T | undefined;
  readonly problem: Problem | undefined;
  /** Whether it is asked again by itself. */
  readonly repeats: boolean;
  again(): void;
}

/**
 * What makes an answer old: frames of these topics. `fold` makes the new answer of the old one, or undefined to have it asked;
 * `join` keeps what frames said that a new answer does not know yet.
 */
export interface Woken<T> {
  readonly stream: PageStream | undefined;
  readonly topics: readonly string[];
  readonly fold?: (before: T | undefined, frame: Frame) => T | undefined;
  readonly join?: (answer: T, before: T) => T;
}

const RARELY_MS = 30_000;
const SOON_MS = 5_000;

/** Ask when a frame says that there is news, no oftener than each `everyMs`; without a stream each `everyMs`; once if that is 0. */
export function useAsked<T>(ask: () => Promise<T>, everyMs: number, about: readonly unknown[], woken?: Woken<T>): Asked<T> {
  const [turn, setTurn] = useState(0);
  const [shown, setShown] = useState<{ answer: T | undefined; problem: Problem | undefined }>({ answer: undefined, problem: undefined });
  const stream = woken?.stream;
  useEffect(() => {
    let [over, asking, isOld, failed, timer, askedAt] = [false, false, false, false, 0, 0];
    let current: T | undefined;
    const pace = (): number => (document.hidden ? 10 * everyMs : stream?.isOpen === true && !isOld ? Math.max(everyMs, RARELY_MS) : failed ? Math.min(everyMs, SOON_MS) : everyMs);
    const plan = (): void => {
      clearTimeout(timer);
      if (over || asking || everyMs <= 0) return;
      timer = window.setTimeout(() => void look(), Math.max(0, askedAt + pace() - Date.now()));
    };
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      [asking, isOld, failed, askedAt] = [true, false, false, Date.now()];
      try {
        const answer = await ask();
        current = current === undefined || woken?.join === undefined ? answer : woken.join(answer, current);
        if (!over) setShown({ answer: current, problem: undefined });
      } catch (error) {
        // What was not answered is asked again soon, although a stream is open by then.
        [isOld, failed] = [true, true];
        if (!over) setShown((before) => ({ answer: before.answer, problem: problemOf(error) }));
      }
      asking = false;
      plan();
    };
    const take = (frame: Frame): void => {
      const next = woken?.fold?.(current, frame);
      current = next;
      if (next !== undefined) setShown({ answer: next, problem: undefined });
      // An answer that is under way may be older than the frame.
      if (next === undefined || asking) isOld = true;
      plan();
    };
    const reached = (): void => {
      if (failed && !asking && everyMs > 0) void look();
    };
    addEventListener(REACHED, reached);
    const ends = stream === undefined || everyMs <= 0 ? [] : [stream.subscribe(woken?.topics ?? [], take), stream.onChange(plan)];
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
      removeEventListener(REACHED, reached);
      for (const end of ends) end();
    };
  }, [...about, turn, everyMs, stream, woken?.topics.join()]);
  return { ...shown, repeats: everyMs > 0, again: () => setTurn((before) => before + 1) };
}
