import { type Receipt } from "../node/receipts";
import { type Names } from "../session";
import { integer, money, percent, price } from "../ui/formats";
import { accountName } from "./accounts";

/** Receipts of calls, liquidations and defaults in a sentence with their figures; empty for a kind without one. */
type Details = Receipt["details"];
type Explain = (details: Details, names: Names) => string;

const text = (details: Details, name: string): string => String(details[name] ?? "0");
const who = (details: Details, name = "account"): string => accountName(text(details, name));
const micros = (details: Details, name: string): string => money(text(details, name));
const height = (details: Details, name: string): string => `height ${integer(text(details, name))}`;

/** Lots by instrument at their marks; from the form of a sale or from pairs. */
function lots(details: Details, names: Names): string {
  const positions = (details["positions"] ?? []) as readonly unknown[];
  return positions.map((each) => {
    if (Array.isArray(each)) return `${names.instrument(Number(each[0]))} ${integer(String(each[1]))} lots`;
    const { instrument, lots: count, of_lots, mark_ticks } = each as Readonly<Record<string, string>>;
    const unit = names.unit(names.feedOf(Number(instrument)));
    return `${names.instrument(Number(instrument))} ${integer(count ?? "0")} of ${integer(of_lots ?? "0")} lots at ${price(mark_ticks ?? "0", unit)}`;
  }).join(", ");
}

/** A part of a whole that the receipt states as a fraction. */
const share = (part: string, whole: string): string => (whole === "0" ? "–" : percent((1_000_000n * BigInt(part)) / BigInt(whole), 3));

const KINDS: Readonly<Record<string, Explain>> = {
  MarginCalled: (each) => `${who(each)} is below its trigger: equity ${micros(each, "equity")}.`,
  MarginRestored: (each) => `${who(each)} is at its initial margin again: equity ${micros(each, "equity")}.`,
  EarlyCalled: (each) => `${who(each)} is called early: a breach has a probability of ${percent(Number(each["probability_ppm"] ?? 0), 1)}. Equity ${micros(each, "equity")}, trigger ${micros(each, "trigger")}. It has time until ${height(each, "deadline_height")}.`,
  CallDeadlineSet: (each) => `${who(each)} has time until ${height(each, "deadline_height")}: equity ${micros(each, "equity")} is below the trigger of ${micros(each, "trigger")}.`,
  CallMet: (each) => `${who(each)} met its call: equity ${micros(each, "equity")}, initial margin ${micros(each, "initial")}.`,
  CallLapsed: (each) => `The ${text(each, "kind")} call of ${who(each)} lapsed${each["urgent"] === true ? ", far below maintenance margin" : ""}: equity ${micros(each, "equity")}, trigger ${micros(each, "trigger")}, maintenance margin ${micros(each, "maintenance")}.`,
  LiquidationOpened: (each, names) => `Slices of ${who(each)} are for sale from ${height(each, "first_height")} to ${height(each, "last_height")}, at a discount from ${percent(Number(each["start_ppm"] ?? 0))} to ${percent(Number(each["end_ppm"] ?? 0))}: ${lots(each, names)}. Equity ${micros(each, "equity")}, initial margin ${micros(each, "initial")}.`,
  SliceSold: (each, names) => `${accountName(text(each, "bidder"))} took ${share(text(each, "fraction"), text(each, "denominator"))} of ${who(each)} at a discount of ${percent(Number(each["discount_ppm"] ?? 0))}; it asked for ${share(text(each, "requested_share"), text(each, "denominator"))}, and ${share(text(each, "allowed_share"), text(each, "denominator"))} restored initial margin or was the most allowed: ${lots(each, names)}. Equity ${micros(each, "equity")} to ${micros(each, "equity_after")}, initial margin ${micros(each, "initial")} to ${micros(each, "initial_after")}.`,
  LiquidationStepTaken: (each) => `Step ${text(each, "step")} of the liquidation of ${who(each)} takes ${share(text(each, "taken"), text(each, "denominator"))}; ${share(text(each, "needed"), text(each, "denominator"))} is needed.`,
  BackstopTakeover: (each, names) => `The backstop, ${accountName(text(each, "backstop"))}, took over from ${who(each)}: ${lots(each, names)}.`,
  LiquidationDeferred: (each) => `The liquidation of ${who(each)} waits.`,
  LiquidationEnded: (each) => `The liquidation of ${who(each)} is over.`,
  Liquidated: (each, names) => `The house took over from ${who(each)}: ${lots(each, names)}. Penalty ${micros(each, "penalty")}. Equity ${micros(each, "equity")} to ${micros(each, "equity_after")}, initial margin ${micros(each, "initial")} to ${micros(each, "initial_after")}.`,
  CashCalled: (each) => `${who(each)} is called for cash that it owes.`,
  CashCallMet: (each) => `${who(each)} paid the cash that it was called for.`,
  AuctionOpened: (each) => `Collateral of ${who(each)} is for sale, because its cash call lapsed.`,
  CollateralSold: (each) => `${accountName(text(each, "recipient"))} bought collateral of ${who(each)}.`,
  DefaultDeclared: (each) => `Member ${text(each, "member")} is in default (number ${text(each, "number")}).`,
  LossAllocated: (each) => `The loss of default ${text(each, "number")} of member ${text(each, "member")}, ${micros(each, "loss")}, was allocated.`,
  DefaultEnded: (each) => `Default ${text(each, "number")} is over.`,
};

export const explained = ({ kind, details }: Receipt, names: Names): string => KINDS[kind]?.(details, names) ?? "";
