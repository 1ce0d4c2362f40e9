import { type Frame, type ReceiptPage } from "../../../../client/typescript/src/index";

export type Receipt = ReceiptPage["receipts"][number];

/** Asks the node for a page of a list. */
type Ask = (query: { readonly order: "newest"; readonly limit: number; readonly after?: string }) => Promise<Pick<ReceiptPage, "receipts" | "next">>;

const PAGES_MAX = 20;
const RECEIPTS_A_PAGE = 500;
const KEPT_MAX = 50;

/** The newest receipts of a list, newest first: at most 50, by one question. */
export async function newestReceipts(ask: Ask): Promise<readonly Receipt[]> {
  return (await ask({ order: "newest", limit: KEPT_MAX })).receipts.slice(0, KEPT_MAX);
}

/** The newest receipts that match, newest first: at most 50, looked for among the newest 10,000 of the list. */
export async function newestMatchingReceipts(ask: Ask, matches: (receipt: Receipt) => boolean): Promise<readonly Receipt[]> {
  const out: Receipt[] = [];
  let after = "";
  for (let page = 0; page < PAGES_MAX && out.length < KEPT_MAX; page += 1) {
    const answer = await ask({ order: "newest", limit: RECEIPTS_A_PAGE, ...(after === "" ? {} : { after }) });
    out.push(...answer.receipts.filter(matches));
    after = answer.next;
    if (after === "") break;
  }
  return out.slice(0, KEPT_MAX);
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
