import { type Asked } from "../../../../client/typescript/build/generated";
import { BadAnswer, Client, ClientError, type LightBlockView, NodeRefused, NodeUnreachable, type Signer, type Whole } from "../../../../client/typescript/src/index";
import { visible } from "../../../../proofs/browser/src/visible";

/** The node that served the page, asked by the client of `client/typescript`. */
export class PageClient extends Client {
  /** `network`: where it is known already. */
  constructor(signer?: Signer, network?: string) {
    super("", {
      retries: { attempts: 1 }, // views ask again by themselves
      timeout: 15, validSeconds: 120,
      ...(signer === undefined ? {} : { signer }), ...(network === undefined ? {} : { network }),
    });
  }

  override async ask<T>(method: string, path: string, asked?: Asked): Promise<T> {
    return plain(await super.ask<T>(method, path, asked)) as T;
  }

  /** Header, certificate and validator sets of a height as hex: for a file, where texts for display are cut. */
  async blockFor(height: Whole): Promise<string> {
    return (await super.ask<LightBlockView>("GET", `/v1/light/${height}`)).block;
  }
}

/** Names, reasons and details are others' words: no mark of direction and no control character of theirs is shown. */
export function plain(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [visible(name), plain(inner)]));
}

/** Why there is no answer, in words; `reached`: whether the node answered at all. */
export interface Problem {
  readonly words: string;
  readonly reached: boolean;
  /** Of the node's or the client's refusal; empty for other errors. */
  readonly code: string;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof NodeUnreachable) return { words: "The node does not answer.", reached: false, code: error.code };
  if (error instanceof ClientError) {
    // What a node says begins with its code and has the place.
    const { code, reason, message, remedy } = error;
    return { words: visible(`${reason.startsWith(code) ? reason : message} ${remedy}`), reached: true, code };
  }
  // A wallet's errors are objects with a message.
  return { words: visible((error as { message?: string } | undefined)?.message ?? String(error)), reached: true, code: "" };
}

const AGAIN_MS = 1_000;

/** Ask again each second or two, while the node is lost or busy, or its answer no whole one, and as long as `goesOn` says. Throws the last error. */
export async function patient<T>(ask: () => Promise<T>, goesOn: () => boolean): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isCut = error instanceof BadAnswer && error.at === "body";
      const isPassing = error instanceof NodeUnreachable || isCut || (error instanceof NodeRefused && (error.status === 429 || error.status >= 500));
      if (!isPassing || !goesOn()) throw error;
      await new Promise((resume) => setTimeout(resume, AGAIN_MS * (1 + Math.random())));
    }
  }
}
