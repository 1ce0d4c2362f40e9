import { type RequestBody, type Signer, signed } from "../../../../client/typescript/src/index";
import { patient } from "../node/client";
import { type Session } from "../session";

/** Sign a request with the own key in the named places, submit it, and follow it to its block, in words. Throws ClientError. */
export async function submitted<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[], tell: (words: string) => void): Promise<void> {
  const whole = await signedIn(session, request, places);
  tell("Signed. The node waits for a block that takes it…");
  // What was sent when the node was lost may have arrived: the same bytes are sent again, and none beside them is signed.
  const until = Date.now() + 1_000 * SECONDS_MAX;
  const { height } = await patient(() => session.client.settle(whole, Math.max(1, (until - Date.now()) / 1_000)), () => Date.now() < until);
  tell(`Done in block ${height}.`);
}

/** The request with the own signature in these places. */
export async function signedIn<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[]): Promise<R> {
  const own: Signer | undefined = session.client.signer;
  if (own === undefined) throw new Error("Sign in first.");
  const network = await session.client.network();
  if (session.hasEnded(own)) throw new Error("You signed out: nothing was signed.");
  return signed(network, request, Object.fromEntries(places.map((place) => [place, own])));
}

const SECONDS_MAX = 120;
