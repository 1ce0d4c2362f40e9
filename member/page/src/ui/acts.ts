import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf } from "../node/client";

/** What a form does and asks: an act once, however often its button is clicked; and of questions the newest. */

/** Begin a question, which is then the newest. What it returns says whether it still is: not after the next one, nor when the panel is gone. */
export function useNewest(): () => () => boolean {
  const newest = useRef(0);
  useEffect(() => () => void (newest.current += 1), []);
  return () => {
    const own = (newest.current += 1);
    return () => newest.current === own;
  };
}

/** What an act is done with. */
export interface Doing {
  /** Says how far it is, until it is over. */
  tell(words: string): void;
  /**
   * What a wallet answers. Throws when its owner gives up waiting: what the wallet answers later goes nowhere. `isOver` says
   * so to what would ask the wallet more than once.
   */
  wallet<T>(ask: (isOver: () => boolean) => Promise<T>): Promise<T>;
}

export interface Act {
  readonly busy: boolean;
  /** Whether it waits for a wallet, which may never answer. */
  readonly waits: boolean;
  readonly outcome: string;
  readonly problem: string;
  submit(event: SubmitEvent): void;
  /** Wait for the wallet no longer. */
  giveUp(): void;
}

const SIGNS_NOTHING = "You stopped waiting. The wallet may still show the question, and may still sign it: what it signs now is sent nowhere.";

/** An act of a form, which tells how far it is. Until it is over, the form does not begin another. `gaveUp`: what is said to who waited for a wallet no longer. */
export function useAct(act: (form: FormData, doing: Doing) => Promise<void>, gaveUp = SIGNS_NOTHING): Act {
  const begun = useRef(false);
  const leave = useRef<() => void>(() => undefined);
  const [busy, setBusy] = useState(false);
  const [waits, setWaits] = useState(false);
  const [outcome, setOutcome] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (begun.current) return; // a second click comes before the first is drawn
    begun.current = true;
    let isOver = false;
    setBusy(true);
    setProblem("");
    setOutcome("");
    const tell = (words: string): void => {
      if (!isOver) setOutcome(words);
    };
    const wallet = async <T,>(ask: (isOver: () => boolean) => Promise<T>): Promise<T> => {
      const left = new Promise<never>((_, reject) => {
        leave.current = () => {
          tell("");
          isOver = true;
          reject(new Error(gaveUp));
        };
      });
      setWaits(true);
      try {
        return await Promise.race([ask(() => isOver), left]);
      } finally {
        leave.current = () => undefined;
        setWaits(false);
      }
    };
    const over = (): void => {
      isOver = true;
      begun.current = false;
      setBusy(false);
    };
    const done = act(new FormData(event.currentTarget as HTMLFormElement), { tell, wallet });
    done.catch((error: unknown) => setProblem(problemOf(error).words)).then(over, over);
  };
  return { busy, waits, outcome, problem, submit, giveUp: () => leave.current() };
}
