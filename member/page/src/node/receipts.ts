import { type Frame, type ReceiptPage } from "../../../../client/typescript/src/index";

/** The newest receipts of a list that the node pages from the oldest on, newest first; bounded. */
export type Receipt = ReceiptPage["receipts"][number];

const PAGES_MAX = 20;
const KEPT_MAX = 50;

export async function newestReceipts(
  ask: (query: { after?: string }) => Promise<Pick<ReceiptPage, "receipts" | "next">>, wanted: (receipt: Receipt) => boolean = () => true,
): Promise<readonly Receipt[]> {
  let out: readonly Receipt[] = [];
  let after = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await ask(after === "" ? {} : { after });
    out = [...out, ...answer.receipts.filter(wanted)].slice(-KEPT_MAX);
    after = answer.next;
    if (after === "") break;
  }
  return [...out].reverse();
}

/** The list with the receipt of a frame; undefined where the list has to be asked, as after a gap. */
export function withReceipt(before: readonly Receipt[] | undefined, { kind, data }: Frame): readonly Receipt[] | undefined {
  if (before === undefined || kind !== "delta") return undefined;
  const news = data as Receipt;
  const isKnown = before.some(({ height, index }) => height === news.height && index === news.index);
  return isKnown ? before : [news, ...before].slice(0, KEPT_MAX);
}

/** The list as it was asked, with later ones that the stream brought: a node streams a block before it has stored its receipts. */
export function withLater(answer: readonly Receipt[], before: readonly Receipt[]): readonly Receipt[] {
  const last = answer[0];
  const later = before.filter(({ height, index }) => last === undefined || height > last.height || (height === last.height && index > last.index));
  return [...later, ...answer].slice(0, KEPT_MAX);
}
