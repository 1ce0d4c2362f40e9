import { type Judged } from "../../../../proofs/browser/src/verdict";
import { Mark, Table, type Tone } from "../ui/parts";

/** What a verdict comes to, and its checks one by one. */
export const toneOf = ({ ok, complete }: { readonly ok: boolean; readonly complete: boolean }): Tone => (!ok ? "bad" : complete ? "good" : "part");

export const wordsOf: Record<Tone, string> = { good: "VERIFIED", part: "VERIFIED IN PART", bad: "NOT VERIFIED" };

export function Checks({ checks }: { checks: readonly Judged<string>[] }) {
  return (
    <Table caption="Checks" empty="No check was run." rows={checks} columns={[
      { head: "Check", cell: ({ name }) => name.replaceAll("_", " ") },
      { head: "Result", cell: (each) => <Mark tone={toneOf(each)}>{!each.ok ? "failed" : each.complete ? "passed" : "open"}</Mark> },
      { head: "Detail", cell: ({ detail }) => detail },
      { head: "Meaning", cell: ({ meaning }) => meaning },
    ]} />
  );
}
