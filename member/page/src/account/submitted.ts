import { type RequestBody, type Signer, signed } from "../../../../client/typescript/src/index";
import { PageClient, patient } from "../node/client";
import { asksPerson } from "../node/keys";
import { type Session } from "../session";
import { type Doing } from "../ui/acts";

/** Sign a request with the own key in the named places, submit it, and follow it to its block, in words. Throws ClientError. */
export async function submitted<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[], doing: Doing): Promise<void> {
  const whole = await signedIn(session, request, places, doing);
  doing.tell("Signed. The node waits for a block that takes it…");
  // A wallet is not asked for each look at the request's fate, which anybody may ask for.
  const client = asksPerson(session.client.signer) ? new PageClient() : session.client;
  // What was sent when the node was lost may have arrived: the same bytes are sent again, and none beside them is signed.
  const until = Date.now() + 1_000 * SECONDS_MAX;
  const { height } = await patient(() => client.settle(whole, Math.max(1, (until - Date.now()) / 1_000)), () => Date.now() < until);
  doing.tell(`Done in block ${height}.`);
}

/** The request with the own signature in these places. */
export async function signedIn<R extends RequestBody>(session: Session, request: R, places: readonly (keyof R & string)[], doing: Doing): Promise<R> {
  const own: Signer | undefined = session.client.signer;
  if (own === undefined) throw new Error("Sign in first.");
  const network = await session.client.network();
  if (session.hasEnded(own)) throw new Error("You signed out: nothing was signed.");
  const whole = await byOwner(session, doing, () => signed(network, request, Object.fromEntries(places.map((place) => [place, own]))));
  if (session.hasEnded(own)) throw new Error("You signed out: what was signed is sent nowhere.");
  return whole;
}

/** What needs the own signature. A wallet's owner may give up waiting for it. */
export async function byOwner<T>(session: Session, doing: Doing, ask: () => Promise<T>): Promise<T> {
  if (!asksPerson(session.client.signer)) return ask();
  doing.tell("The wallet is asked for your signature…");
  const answer = await doing.wallet(ask);
  doing.tell("");
  return answer;
}

const SECONDS_MAX = 120;
