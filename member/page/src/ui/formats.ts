import { visible } from "../../../../proofs/browser/src/visible";

/** Numbers and times as text, exact and by the reader's locale. Money is text of integers: no number is rounded on its way. */
export const LOCALE = new Intl.Locale(navigator.language || "en", { numberingSystem: "latn" }).toString(); // in the digits that are typed, too

/** `micros` × 10^-6 with two digits behind the point, cut toward zero. */
export const money = (micros: string | bigint): string => scaled(BigInt(micros), 6, 2);

/** An integer of 10^-`decimals`, with at most `shown` digits behind the point, cut toward zero. */
export function scaled(value: bigint, decimals: number, shown: number): string {
  const cut = decimals - shown;
  const kept = cut > 0 ? value / 10n ** BigInt(cut) : value * 10n ** BigInt(-cut);
  const unit = 10n ** BigInt(shown);
  const size = kept < 0n ? -kept : kept;
  const whole = new Intl.NumberFormat(LOCALE).format(size / unit);
  const fraction = shown > 0 ? POINT + (size % unit).toString().padStart(shown, "0") : "";
  return `${kept < 0n ? "−" : ""}${whole}${fraction}`;
}

/** An amount of a token, with at most `shown` digits behind the point; where it is not known how many smallest units make one, in these. */
export const tokens = (units: string | bigint, decimals: number | undefined, shown = 4): string =>
  decimals === undefined ? `${integer(units)} smallest units` : scaled(BigInt(units), decimals, Math.min(decimals, shown));

const POINT = new Intl.NumberFormat(LOCALE).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";

export const integer = (value: string | number | bigint): string => new Intl.NumberFormat(LOCALE).format(BigInt(value));

/** A fraction in millionths as per cent. */
export const percent = (ppm: number | bigint, digits = 2): string =>
  new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: digits }).format(Number(ppm) / 1e6);

/** Ticks of a feed; the node may say how many make one unit. */
export const price = (ticks: string | number | bigint, ticksPerUnit: number): string =>
  ticksPerUnit > 0
    ? new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 2, maximumFractionDigits: 8 }).format(Number(ticks) / ticksPerUnit)
    : `${integer(ticks)} ticks`;

export const time = (ms: number | bigint): string =>
  new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" }).format(Number(ms));

/** How long ago, or until when; the greatest unit alone. */
export function span(ms: number | bigint): string {
  const seconds = Math.round(Math.abs(Number(ms)) / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** The beginning of a long hexadecimal text; the whole belongs into the element's title. */
export const shortened = (hex: string): string => (hex.length > 14 ? `${hex.slice(0, 10)}…${hex.slice(-4)}` : hex);

/** `DefaultFundCalled` as "default fund called". */
export const words = (name: string): string =>
  visible(name).replace(/([a-z0-9])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();

/**
 * Text of decimal digits as an integer of 10^-`decimals`. The mark before the fraction is a point or the reader's own. What could be a
 * mark of thousands is refused: 1,000 is not 1. Throws RangeError for what is no number, or has more digits.
 */
export function parsed(text: string, decimals: number): bigint {
  const match = /^([+\-−]?)([0-9]{1,18})(?:([.,])([0-9]*))?$/u.exec(text.trim());
  const [mark, fraction] = [match?.[3] ?? POINT, match?.[4] ?? ""];
  if (match === null || fraction.length > decimals) {
    throw new RangeError(decimals === 0 ? "A whole number is expected." : `A number with at most ${decimals} digits behind the point is expected.`);
  }
  if (mark !== POINT && (mark === "," || fraction.length === 3)) throw new RangeError(`Write numbers without marks of thousands, and with “${POINT}” before the fraction.`);
  const value = BigInt((match[2] ?? "") + fraction.padEnd(decimals, "0"));
  return match[1] === "-" || match[1] === "−" ? -value : value;
}

/** A price in units as ticks; as ticks where the node does not say how many make a unit. Throws RangeError between two ticks. */
export function ticksOf(text: string, ticksPerUnit: number): bigint {
  if (ticksPerUnit <= 0) return parsed(text, 0);
  const [value, scale] = [parsed(text, 9) * BigInt(ticksPerUnit), 1_000_000_000n];
  if (value % scale !== 0n) throw new RangeError(`A tick is a ${integer(ticksPerUnit)}th of a unit: the price is between two ticks.`);
  return value / scale;
}
