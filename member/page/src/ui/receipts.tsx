import { type Receipt } from "../node/receipts";
import { integer, words } from "./formats";
import { Table } from "./parts";

/** Receipts, newest first, each with all its fields. */
export function Receipts({ list, empty }: { list: readonly Receipt[]; empty: string }) {
  return (
    <Table caption="Receipts" empty={empty} rows={list} columns={[
      { head: "Height", numeric: true, cell: ({ height }) => integer(height) },
      { head: "What", cell: ({ kind }) => words(kind) },
      { head: "Details", cell: ({ details }) => <details><summary>{summaryOf(details)}</summary><pre>{JSON.stringify(details, undefined, 1)}</pre></details> },
    ]} />
  );
}

const summaryOf = (details: Readonly<Record<string, unknown>>): string =>
  Object.entries(details).filter(([, value]) => typeof value !== "object").slice(0, 4).map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value).slice(0, 24)}`).join(", ");
