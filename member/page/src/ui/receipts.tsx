import { type Receipt } from "../node/receipts";
import { explained } from "../risk/explained";
import { type Names } from "../session";
import { integer, words } from "./formats";
import { Table } from "./parts";

/** Receipts, newest first, each in a sentence where there is one, and with all its fields. */
export function Receipts({ list, names, empty }: { list: readonly Receipt[]; names: Names; empty: string }) {
  return (
    <Table caption="Receipts" empty={empty} rows={list} keyOf={({ height, index }) => `${height} ${index}`} columns={[
      { head: "Height", numeric: true, cell: ({ height }) => integer(height) },
      { head: "What", cell: ({ kind }) => words(kind) },
      { head: "Details", cell: (receipt) => <details><summary>{explained(receipt, names) || summaryOf(receipt.details)}</summary><pre>{JSON.stringify(receipt.details, undefined, 1)}</pre></details> },
    ]} />
  );
}

const summaryOf = (details: Readonly<Record<string, unknown>>): string =>
  Object.entries(details).filter(([, value]) => typeof value !== "object").slice(0, 4).map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value).slice(0, 24)}`).join(", ");
