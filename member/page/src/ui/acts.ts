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

export interface Act {
  readonly busy: boolean;
  readonly outcome: string;
  readonly problem: string;
  submit(event: SubmitEvent): void;
}

/** An act of a form, which tells how far it is. Until it is over, the form does not begin another. */
export function useAct(act: (form: FormData, tell: (words: string) => void) => Promise<void>): Act {
  const begun = useRef(false);
  const [busy, setBusy] = useState(false);
  const [outcome, tell] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (begun.current) return; // a second click comes before the first is drawn
    begun.current = true;
    setBusy(true);
    setProblem("");
    tell("");
    const over = (): void => {
      begun.current = false;
      setBusy(false);
    };
    act(new FormData(event.currentTarget as HTMLFormElement), tell).catch((error: unknown) => setProblem(problemOf(error).words)).then(over, over);
  };
  return { busy, outcome, problem, submit };
}
