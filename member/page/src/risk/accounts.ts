/** Names of accounts where others' are masked: the same mask is the same account everywhere. */
const MASKED = 1n << 62n;

export function accountName(id: string | number | bigint): string {
  const number = BigInt(id);
  return number < MASKED ? `account ${number}` : `masked ${(number - MASKED).toString(16).padStart(10, "0")}`;
}
