import { canonical, ClientError, readJson, type TradeBody } from "../../../../client/typescript/src/index";
import { type Names } from "../session";

/** A trade that another member proposed, read from the text that it sent. Rule: what is not understood whole is not signed. */
export interface Proposal {
  readonly trade: TradeBody;
  /** Where the own signature goes. */
  readonly place: "buyer_signature" | "seller_signature";
}

/** The proposal that a text has for an account. Throws Error with the reason why the account cannot sign it. */
export function proposalIn(text: string, account: number, names: Names, nowMs: number): Proposal {
  const trade = tradeIn(text);
  const [buys, sells] = [trade.buyer, trade.seller].map((each) => BigInt(each) === BigInt(account));
  if (buys !== true && sells !== true) throw new Error("The proposal is between other accounts.");
  checkInstrument(trade.instrument, names);
  checkSize(trade);
  if (BigInt(trade.not_after_ms) <= BigInt(nowMs)) throw new Error("The proposal's time is over. Ask for another.");
  if (BigInt(trade.not_after_ms) > DATE_MS_MAX) throw new Error("The proposal is valid until no date of the calendar.");
  const [place, other, counterparty] = buys === true
    ? (["buyer_signature", trade.seller_signature, trade.seller] as const)
    : (["seller_signature", trade.buyer_signature, trade.buyer] as const);
  if ((other ?? "").replace(/^0x/, "") === "") throw new Error(`Account ${counterparty} has not signed the proposal.`);
  return { trade, place };
}

/** Throws Error for an instrument whose lots and prices the page cannot name. */
export function checkInstrument(instrument: number, names: Names): void {
  if (!names.isListed(instrument)) throw new Error("The instrument is not listed.");
  if (!names.isPriced(names.feedOf(instrument))) throw new Error("The unit of the price is not known yet. Try again in a moment.");
}

/** Throws Error for a trade that every block refuses, whatever the state is: of no lots (R0211), or of an account with itself (R0212). */
export function checkSize({ lots, buyer, seller }: TradeBody): void {
  if (BigInt(lots) <= 0n) throw new Error("A trade has at least one lot: the network refuses it otherwise (R0211).");
  if (BigInt(buyer) === BigInt(seller)) throw new Error("Buyer and seller are the same account: the network refuses such a trade (R0212).");
}

const DATE_MS_MAX = 8_640_000_000_000_000n;

function tradeIn(text: string): TradeBody {
  let tree: unknown;
  try {
    tree = readJson(text);
  } catch {
    throw new Error("The text is no proposal.");
  }
  const given = tree as TradeBody | null;
  if (given?.type !== "trade") throw new Error("The text is no proposal of a trade.");
  try {
    canonical(given); // every field is there, within its bounds, and there is none beside them
  } catch (error) {
    throw new Error(`The text is no proposal: ${error instanceof ClientError ? error.reason : String(error)}.`);
  }
  return given;
}
