import { NodeUnreachable, type RequestBody, type Signer, signed, type TransactionView } from "../../../../client/typescript/src/index";
import { type Session } from "../session";

/** Sign a request with the own key in the named places, submit it, and follow it to its block, in words. Throws ClientError. */
export async function submitted<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[], tell: (words: string) => void): Promise<void> {
  const whole = await signedIn(session, request, places);
  tell("Signed. The node waits for a block that takes it…");
  const height = await settled(session, whole, Date.now() + 1_000 * SECONDS_MAX);
  tell(`Done in block ${height}.`);
}

/** The block that took the request. What was sent when the node was lost may have arrived: the same bytes are sent again, and none beside them is signed. */
async function settled(session: Session, whole: RequestBody, until: number): Promise<TransactionView["height"]> {
  for (;;) {
    try {
      return (await session.client.settle(whole, Math.max(1, (until - Date.now()) / 1_000))).height;
    } catch (error) {
      if (!(error instanceof NodeUnreachable) || Date.now() > until) throw error;
      await new Promise((resume) => setTimeout(resume, AGAIN_MS));
    }
  }
}

/** The request with the own signature in these places. */
export async function signedIn<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[]): Promise<R> {
  const own: Signer | undefined = session.client.signer;
  if (own === undefined) throw new Error("Sign in first.");
  return signed(await session.client.network(), request, Object.fromEntries(places.map((place) => [place, own])));
}

const SECONDS_MAX = 120;
const AGAIN_MS = 1_000;
