import { type Session } from "../session";

const LOOK_MS = 500;
const LOOKS_MAX = 240;

/** Submit one signed request and follow it to its fate, in words. Throws NodeProblem, or Error with a refusal. */
export async function submitted(session: Session, body: unknown, tell: (words: string) => void): Promise<void> {
  const { results } = await session.client.post("/v1/submit", {}, { transactions: [body] });
  const [result] = results;
  if (result === undefined) throw new Error("The node's answer names no result.");
  if (result.status === "refused") throw new Error(`${result.problem?.message ?? "refused"} ${result.problem?.remedy ?? ""}`);
  tell("The node has it. It waits for a block…");
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    await new Promise((resume) => setTimeout(resume, LOOK_MS));
    const { state, height, problem } = await session.client.get("/v1/transactions/{hash}", { hash: result.hash });
    if (state === "applied") return tell(`Done in block ${height}.`);
    if (state !== "pending") throw new Error(`${problem?.message ?? `The request was ${state}.`} ${problem?.remedy ?? ""}`);
  }
  throw new Error("No block has taken it yet. Look at what happened below.");
}

/** How long a request of this page is good for. */
export const VALID_MS = 120_000;
