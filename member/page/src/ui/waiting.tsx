import { type Act } from "./acts";

/** The way out of a form that waits for a wallet: nobody knows whether it ever answers. */
export function StopWaiting({ act }: { act: Act }) {
  const stop = ({ currentTarget: { form } }: { currentTarget: HTMLButtonElement }): void => {
    act.giveUp();
    form?.querySelector<HTMLButtonElement>("button[type=submit]")?.focus(); // this button goes, the keyboard stays
  };
  return act.waits ? <button type="button" onClick={stop}>Stop waiting for the wallet</button> : null;
}
