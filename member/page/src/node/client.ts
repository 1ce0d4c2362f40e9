import { visible } from "../../../../proofs/browser/src/visible";
import type { paths } from "../../build/openapi";
import { type Signer } from "./keys";
import { authorization } from "./signing";

/** The node's API: typed by its own OpenAPI document, with every failure as a `NodeProblem`. */
type Gets = { [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": infer T } } } } } ? T : never };
type Posts = { [P in keyof paths]: paths[P] extends { post: { responses: infer R } } ? Answer<R> : never };
type Answer<R> = R extends { 200: { content: { "application/json": infer T } } } ? T
  : R extends { 202: { content: { "application/json": infer T } } } ? T : never;
export type GetPath = { [P in keyof Gets]: Gets[P] extends never ? never : P }[keyof Gets];
export type PostPath = { [P in keyof Posts]: Posts[P] extends never ? never : P }[keyof Posts];
export type GetAnswer<P extends GetPath> = Gets[P];
export type PostAnswer<P extends PostPath> = Posts[P];

const PATIENCE_MS = 15_000;
const ANSWER_BYTES_MAX = 16 << 20;

/** Why there is no answer: the node's own code and remedy, or that it is not reached. */
export class NodeProblem extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export const UNREACHED = "unreached";

/** A path with its parameters filled in, then a query. */
export function target(path: string, parameters: Readonly<Record<string, string | number>> = {}, query: Readonly<Record<string, string>> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parameters[name])));
  const search = new URLSearchParams(query).toString();
  return search === "" ? filled : `${filled}?${search}`;
}

export class NodeClient {
  /** `base`: the node's address without a slash at its end; empty: where the page came from. */
  constructor(
    readonly base: string,
    readonly signer: Signer | undefined = undefined,
    readonly network = "",
  ) {}

  signedBy(signer: Signer | undefined, network: string): NodeClient {
    return new NodeClient(this.base, signer, network);
  }

  get<P extends GetPath>(path: P, parameters: Readonly<Record<string, string | number>> = {}, query: Readonly<Record<string, string>> = {}): Promise<GetAnswer<P>> {
    return this.ask("GET", target(path, parameters, query)) as Promise<GetAnswer<P>>;
  }

  post<P extends PostPath>(path: P, parameters: Readonly<Record<string, string | number>>, body: unknown): Promise<PostAnswer<P>> {
    return this.ask("POST", target(path, parameters), JSON.stringify(body)) as Promise<PostAnswer<P>>;
  }

  /** An answer as it was sent. */
  async bytes(path: string): Promise<ArrayBuffer> {
    return (await this.fetched("GET", path, undefined)).arrayBuffer();
  }

  private async ask(method: string, path: string, body?: string): Promise<unknown> {
    const answer = await this.fetched(method, path, body);
    const text = await answer.text();
    if (text.length > ANSWER_BYTES_MAX) throw new NodeProblem("", "The node's answer is too long.", "", answer.status);
    try {
      return JSON.parse(text, plain);
    } catch {
      throw new NodeProblem("", "The node's answer cannot be read.", "Look at the node's log.", answer.status);
    }
  }

  private async fetched(method: string, path: string, body: string | undefined): Promise<Response> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (this.signer !== undefined) headers["Authorization"] = await authorization(this.signer, this.network, method, path, body ?? "");
    let answer: Response;
    try {
      const asked: RequestInit = { method, headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE_MS) };
      answer = await fetch(this.base + path, body === undefined ? asked : { ...asked, body });
    } catch {
      throw new NodeProblem(UNREACHED, "The node does not answer.", "The page asks again by itself.", 0);
    }
    if (answer.ok || answer.status === 422 || answer.status === 503) return answer;
    throw await problemOf(answer);
  }
}

/** Names, reasons and details are others' words: no mark of direction and no control character of theirs is shown. */
const plain = (_: string, value: unknown): unknown => (typeof value === "string" ? visible(value) : value);

async function problemOf(answer: Response): Promise<NodeProblem> {
  try {
    const told = (await answer.json()) as Record<string, unknown>;
    const text = (name: string): string => (typeof told[name] === "string" ? visible(told[name]) : "");
    return new NodeProblem(text("code"), text("message") || `status ${answer.status}`, text("remedy"), answer.status);
  } catch {
    return new NodeProblem("", `The node answered with status ${answer.status}.`, "", answer.status);
  }
}
