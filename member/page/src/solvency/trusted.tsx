import { useNewest } from "../ui/acts";
import { Panel } from "../ui/parts";
import { type Trust } from "../verifying";

/** What the reader trusts, for packages and exit files alike. */
export const NOTHING: Trust = { genesis: undefined, hours: "168", set: "", known: "" };

export function Trusted({ trust, change }: { trust: Trust; change: (part: Partial<Trust>) => void }) {
  const field = (name: "hours" | "set" | "known") => (event: { currentTarget: HTMLInputElement }): void => change({ [name]: event.currentTarget.value.trim() });
  const begin = useNewest();
  const genesis = async (file: File | undefined): Promise<void> => {
    const isNewest = begin(); // a large file may be read after the one that took its place
    const read = await file?.arrayBuffer();
    if (isNewest()) change({ genesis: read });
  };
  return (
    <Panel title="What you trust" note="A package alone only agrees with itself. Give the genesis file that you have from somewhere else than this node; it names the network and its first validators.">
      <label for="genesis">Genesis file</label>
      <input id="genesis" type="file" accept=".json,application/json" onChange={(event) => void genesis(event.currentTarget.files?.[0])} />
      <label for="age">Largest age in hours; empty: any age</label>
      <input id="age" inputMode="decimal" autocomplete="off" value={trust.hours} onInput={field("hours")} />
      <details>
        <summary>A later validator set, or a genesis of more than two weeks ago</summary>
        <p class="note">A set is trusted for two weeks after you last knew it to be in force: validators who left lose nothing by signing. <code>crossclear light follow --output json</code> follows the sets and prints the newest hash.</p>
        <label for="set">Hash of the validator set, 64 hexadecimal digits; empty: that of the genesis</label>
        <input id="set" autocomplete="off" spellcheck={false} value={trust.set} onInput={field("set")} />
        <label for="known">When you last knew it to be in force, in UTC; empty: of the genesis's own set its time, of a later one now, on your word</label>
        <input id="known" type="datetime-local" autocomplete="off" value={trust.known} onInput={field("known")} />
      </details>
    </Panel>
  );
}
