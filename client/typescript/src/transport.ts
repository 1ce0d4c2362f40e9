/** One node's HTTP: bounded answers, repeated questions, refusals as errors. Every question may be asked again. */
import { BadAnswer, NodeRefused, NodeUnreachable } from "./errors.js";
import { readJson } from "./json.js";

/** How often and when a question is asked again. Times in seconds. */
export interface Retries { readonly attempts: number; readonly firstWait: number; readonly longestWait: number; readonly longestAskedWait: number }
export const RETRIES: Retries = { attempts: 6, firstWait: 0.1, longestWait: 5, longestAskedWait: 60 };
export interface Answer { readonly status: number; readonly headers: Headers; readonly body: Uint8Array }
export const BUSY = [429, 502, 503, 504];
export const ANSWER_BYTES_MAX = 8 << 20;
const REFUSAL_BYTES_MAX = 1 << 16;

/** Seconds before the next attempt; undefined: no more. Half of it is chance, so that clients do not come back together. */
export function waitOf(retries: Retries, attempt: number, asked: number | undefined): number | undefined {
  if (attempt >= retries.attempts || (asked ?? 0) > retries.longestAskedWait) return undefined;
  return Math.max(asked ?? 0, Math.min(retries.firstWait * 2 ** (attempt - 1), retries.longestWait) * (0.5 + Math.random() / 2));
}

export const pause = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1_000));

export function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after") ?? "";
  return /^[0-9]{1,8}$/.test(text) ? Number(text) : undefined;
}

/** The node's refusal with its code; BadAnswer where something else answered. */
export function refusal(status: number, text: string): NodeRefused | BadAnswer {
  try {
    const problem = readJson(text) as Record<string, unknown> | null;
    if (typeof problem?.["code"] !== "string") return new BadAnswer("body", `status ${status}`);
    return new NodeRefused(problem["code"], String(problem["message"]), String(problem["at"]), String(problem["remedy"]), status);
  } catch {
    return new BadAnswer("body", `status ${status}`);
  }
}

/** Ask until there is an answer: `attempt` makes one request, anew each time. `accepted`: statuses beside 2xx. */
export async function ask(
  url: string, attempt: () => Promise<Request>, fetcher: typeof fetch, retries: Retries, timeout: number,
  limit: number, accepted: readonly number[],
): Promise<Answer> {
  for (let count = 1; ; count += 1) {
    const request = await attempt();
    let wait: number | undefined;
    try {
      const answer = await once(request, fetcher, timeout, limit);
      if (answer.status < 300 || accepted.includes(answer.status)) return answer;
      wait = BUSY.includes(answer.status) ? waitOf(retries, count, retryAfter(answer.headers)) : undefined;
      if (wait === undefined) throw refusal(answer.status, new TextDecoder().decode(answer.body));
    } catch (error) {
      // `fetch` throws TypeError for a connection that fails, and a DOMException for one that takes too long.
      if (!(error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError"))) throw error;
      wait = waitOf(retries, count, undefined);
      if (wait === undefined) throw new NodeUnreachable(url, String(error).slice(0, 200));
    }
    await pause(wait);
  }
}

async function once(request: Request, fetcher: typeof fetch, timeout: number, limit: number): Promise<Answer> {
  const response = await fetcher(request, { signal: AbortSignal.timeout(timeout * 1_000), redirect: "error" });
  return { status: response.status, headers: response.headers, body: await bodyOf(response, limit) };
}

/** A response whose head has come. Throws TypeError after the time without one, and what `signal` aborts with. */
export async function opened(request: Request, fetcher: typeof fetch, timeout: number, signal?: AbortSignal): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new TypeError(`no answer within ${timeout} s`)), timeout * 1_000);
  try {
    return await fetcher(request, { signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]), redirect: "error" });
  } finally {
    clearTimeout(timer);
  }
}

/** What a node answers in the place of a stream. Throws BadAnswer beyond 64 KB, TypeError where it drips too long. */
export async function refusalText(response: Response, timeout: number): Promise<string> {
  let late: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new TypeError(`no whole answer within ${timeout} s`)), timeout * 1_000);
  });
  const reading = new AbortController();
  try {
    return new TextDecoder().decode(await Promise.race([bodyOf(response, REFUSAL_BYTES_MAX, reading.signal), expired]));
  } finally {
    clearTimeout(late);
    reading.abort();
  }
}

/** Throws BadAnswer for a body beyond the limit. `signal`: ends reading. */
async function bodyOf(response: Response, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  signal?.addEventListener("abort", () => { reader?.cancel().catch(() => undefined); }, { once: true });
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw new BadAnswer("body", `more than ${limit} bytes`);
    }
    parts.push(value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
