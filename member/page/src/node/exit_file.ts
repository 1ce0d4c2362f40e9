import { type ExitView, fromHex, hex, writeJson } from "../../../../client/typescript/src/index";
import { concat, tagged, word } from "../../../../client/typescript/src/bytes";
import { type PageClient } from "./client";

/**
 * The own payments in an exit tree, as the file that `crossclear exit` reads, and the check that each is under the tree's root.
 * That the root is the network's is in the file too: `crossclear exit verify` checks it.
 */
type Leaf = ExitView["leaves"][number];

const FORMAT = "crossclear.exit.v1";
const KINDS: Readonly<Record<Leaf["kind"], bigint>> = { account: 1n, withdrawal: 2n, deposit: 3n, refund: 4n };

export interface ExitFile {
  readonly view: ExitView;
  readonly name: string;
  readonly text: string;
}

/** Throws ClientError, and Error for a payment that is not under the root. */
export async function exitFile(client: PageClient, account: number): Promise<ExitFile> {
  const view = await client.exit(account);
  if (BigInt(view.account) !== BigInt(account)) throw new Error("The node answers for another account.");
  checkPayments(view);
  const block = await client.blockFor(view.height);
  return { view, name: `exit-${account}-epoch-${view.epoch}.json`, text: writeJson({ format: FORMAT, exit: view, block }) };
}

/** Every payment is a leaf of the tree with this root, once. Throws Error. */
function checkPayments(view: ExitView): void {
  const seen = new Set(view.leaves.map(({ index }) => String(index)));
  if (seen.size !== view.leaves.length) throw new Error("The node lists a payment twice.");
  for (const leaf of view.leaves) {
    if (leaf.kind === "account" && BigInt(leaf.number) !== BigInt(view.account)) throw new Error("A payment is of another account.");
    if (rootOf(leaf, encoded(view, leaf), view) !== view.exit_root) throw new Error(`The payment at ${leaf.index} is not under the root of the epoch.`);
  }
}

/** Eleven words of 32 bytes. */
function encoded(view: ExitView, leaf: Leaf): Uint8Array {
  const address = (text: string): Uint8Array => word(BigInt(text));
  const numbers = (...values: readonly (bigint | number | string)[]): Uint8Array[] => values.map((value) => word(BigInt(value)));
  return concat(
    fromHex(leaf.salt), ...numbers(KINDS[leaf.kind], view.epoch, leaf.chain_id), address(leaf.vault), ...numbers(leaf.number),
    address(leaf.token), address(leaf.to), ...numbers(leaf.amount, view.account, leaf.not_after_s),
  );
}

/** The root that a leaf and its path give, as hex; empty where the path has another length than the tree is deep. */
function rootOf(leaf: Leaf, data: Uint8Array, { leaf_count }: ExitView): string {
  const [index, count] = [BigInt(leaf.index), BigInt(leaf_count)];
  const depth = count > 1n ? (count - 1n).toString(2).length : 0;
  if (index >= count || leaf.path.length !== depth) return "";
  let node = tagged("crossclear/merkle/leaf/v1", data);
  leaf.path.map((each) => fromHex(each)).forEach((sibling, level) => {
    const pair = (index >> BigInt(level)) & 1n ? [sibling, node] : [node, sibling];
    node = tagged("crossclear/merkle/node/v1", ...pair);
  });
  return `0x${hex(tagged("crossclear/merkle/root/v1", word(count), node))}`;
}
