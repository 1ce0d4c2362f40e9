import { type ExitView, writeJson } from "../../../../client/typescript/src/index";
import { type PageClient } from "./client";

/** The own payments in an exit tree, as the file that `crossclear exit` reads. Whether they are true is checked with the file. */
const FORMAT = "crossclear.exit.v1";

export interface ExitFile {
  readonly view: ExitView;
  readonly name: string;
  readonly text: string;
}

/** Throws ClientError, and Error for the answer about another account. */
export async function exitFile(client: PageClient, account: number): Promise<ExitFile> {
  const view = await client.exit(account);
  if (BigInt(view.account) !== BigInt(account)) throw new Error("The node answers for another account.");
  const block = await client.blockFor(view.height);
  return { view, name: `exit-${account}-epoch-${view.epoch}.json`, text: writeJson({ format: FORMAT, exit: view, block }) };
}
