/** One node, asked by a member or by anybody. A request is submitted with the same bytes until its fate is known. */
import {
  type Asked, type CollateralEventView, Questions, type RequestBody, type StateView, type SubmitResults, type TransactionView, type Whole,
} from "../build/generated.js";
import { fromHex, utf8 } from "./bytes.js";
import { BadAnswer, NodeRefused, NoFate, NoKey, RequestRefused } from "./errors.js";
import { readJson, writeJson } from "./json.js";
import { idOf, submission } from "./request.js";
import { authorization, signed, type Signer } from "./signing.js";
import { FrameStream, overEvents, overSocket } from "./frames.js";
import { follow, watch } from "./streams.js";
import { type Answer, ANSWER_BYTES_MAX, ask, opened, pause, RETRIES, type Retries, retryAfter } from "./transport.js";

/** `network`: the id, 32 bytes or hex, from a genesis that you trust; without it the node's word is taken. Times in seconds. */
export interface Options {
  readonly signer?: Signer; readonly network?: Uint8Array | string; readonly retries?: Partial<Retries>;
  readonly timeout?: number; readonly validSeconds?: number; readonly fetch?: typeof fetch;
}
interface Sent { readonly body?: Uint8Array; readonly media?: string; readonly signed?: boolean; readonly limit?: number; readonly accepted?: readonly number[] }
/** `retries`: other ones than of questions. `turned`: called with true when frames begin to come, and with false when they cease. */
export interface FollowOptions { readonly websocket?: boolean; readonly retries?: Partial<Retries>; readonly turned?: (isOpen: boolean) => void }
const POLL = 0.2;
const PACKAGE_BYTES_MAX = 64 << 20;
const UNKNOWN = "R0877";
const UNREAD = "R0878";
const NOT_A_MEMBER = "R0847";
const SUBPROTOCOL = "crossclear.v1";
const TRY_LATER = ["R0830", "R0831", "R0832"];

export class Client extends Questions {
  readonly signer: Signer | undefined;
  readonly #url: string;
  readonly #retries: Retries;
  readonly #timeout: number;
  readonly #validMs: bigint;
  readonly #fetch: typeof fetch;
  readonly #used = new Map<string, bigint>();
  #network: Uint8Array | undefined;

  constructor(url: string, options: Options = {}) {
    super();
    this.#url = url.replace(/\/$/, "");
    this.signer = options.signer;
    this.#network = typeof options.network === "string" ? fromHex(options.network, "network") : options.network;
    this.#retries = { ...RETRIES, ...options.retries };
    this.#timeout = options.timeout ?? 30;
    this.#validMs = BigInt(Math.floor((options.validSeconds ?? 60) * 1_000));
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The id of the network: as given, else as the node states it. */
  async network(): Promise<Uint8Array> {
    this.#network ??= fromHex((await this.state()).network, "network");
    return this.#network;
  }

  async ask<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
    const query = Object.entries(asked.query ?? {}).filter(([, value]) => value !== undefined);
    const target = path + (query.length ? `?${query.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&")}` : "");
    const answer = await this.#send(method, target, {
      ...(asked.body === undefined ? {} : { body: utf8(writeJson(asked.body)) }),
      signed: asked.signed ?? false,
      accepted: path === "/readyz" ? [503] : [],
    });
    const view = jsonOf(answer) as Readonly<Record<string, unknown>> | null;
    for (const [name, about] of Object.entries(asked.about ?? {})) {
      if (about !== "latest" && String(view?.[name]).toLowerCase() !== String(about).toLowerCase()) {
        throw new BadAnswer(name, `the node answers for another ${name}`);
      }
    }
    return view as T;
  }

  /** The bytes of a file: a package, the terms, the amendments. */
  async download(path: string, limit = PACKAGE_BYTES_MAX): Promise<Uint8Array> {
    return (await this.#send("GET", path, { limit })).body;
  }

  async #send(method: string, target: string, sent: Sent): Promise<Answer> {
    const attempt = () => this.#request(method, target, sent);
    return ask(this.#url, attempt, this.#fetch, this.#retries, this.#timeout, sent.limit ?? ANSWER_BYTES_MAX, sent.accepted ?? []);
  }

  async #request(method: string, target: string, sent: Sent, headers: Record<string, string> = {}): Promise<Request> {
    const body = sent.body ?? new Uint8Array();
    if (body.length > 0) headers["content-type"] = sent.media ?? "application/json";
    if (sent.signed) {
      if (this.signer === undefined) throw new NoKey(target);
      const nonce = crypto.getRandomValues(new Uint8Array(32));
      headers["authorization"] = await authorization(await this.network(), this.signer, method, target, body, BigInt(Date.now()), nonce);
    }
    return new Request(this.#url + target, { method, headers, ...(body.length > 0 ? { body: body as BodyInit } : {}) });
  }

  /** The request with its signatures: those of `signers`, by default `signature` with this client's key. */
  async sign<R extends RequestBody>(request: R, signers?: Readonly<Record<string, Signer>>): Promise<R> {
    if (signers === undefined && this.signer === undefined) throw new NoKey(request.type);
    return signed(await this.network(), request, signers ?? { signature: this.signer as Signer });
  }

  /** A nonce of an own account that neither the network nor this client has used. */
  async nextNonce(account: Whole): Promise<Whole> {
    const [free, used] = [BigInt((await this.account(account)).next_nonce), (this.#used.get(String(account)) ?? -1n) + 1n];
    const nonce = free > used ? free : used;
    this.#used.set(String(account), nonce);
    return exact(nonce);
  }

  /** The time until which a request that is made now is valid. */
  notAfterMs(): Whole {
    return exact(BigInt(Date.now()) + this.#validMs);
  }

  /** Hand in signed requests; each is answered on its own. Doing it again is harmless. */
  async submit(...requests: readonly RequestBody[]): Promise<SubmitResults> {
    return (await this.#submit(requests)).results;
  }

  async #submit(requests: readonly RequestBody[]): Promise<{ readonly results: SubmitResults; readonly wait: number | undefined }> {
    const answer = await this.#send("POST", "/v1/submit", { body: submission(requests), media: "application/msgpack", accepted: [422] });
    const results = jsonOf(answer) as SubmitResults;
    const ids = requests.map(idOf);
    if (results.results?.length !== ids.length || results.results.some((each, at) => each.hash !== ids[at])) {
      throw new BadAnswer("hash", "the node answers for other requests than were submitted");
    }
    return { results, wait: retryAfter(answer.headers) };
  }

  /**
   * Submit a request and wait until a block has applied it; the same bytes are sent again when the node is busy or has
   * forgotten them. Throws RequestRefused with the code, also when it expired or was dropped; NoFate after `seconds`.
   */
  async settle(request: RequestBody, seconds = 60): Promise<TransactionView> {
    const until = Date.now() + seconds * 1_000;
    await this.#handIn(request, until, seconds);
    return this.#fate(idOf(request), request, until, seconds);
  }

  /** Wait until a block has applied the request with this id. Throws as `settle`. */
  async fate(hash: string, seconds = 60): Promise<TransactionView> {
    return this.#fate(hash, undefined, Date.now() + seconds * 1_000, seconds);
  }

  async #handIn(request: RequestBody, until: number, seconds: number): Promise<void> {
    for (;;) {
      const { results, wait } = await this.#submit([request]);
      const result = results.results[0];
      if (result?.status !== "refused") return;
      if (!TRY_LATER.includes(result.problem?.code ?? "")) throw refused(result.hash, result.problem);
      if (Date.now() > until) throw new NoFate(result.hash, seconds);
      await pause(wait ?? POLL);
    }
  }

  async #fate(hash: string, request: RequestBody | undefined, until: number, seconds: number): Promise<TransactionView> {
    let own = this.signer !== undefined;
    while (Date.now() <= until) {
      try {
        const view = await this.ask<TransactionView>("GET", `/v1/transactions/${hash}`, { signed: own });
        if (view?.hash !== hash.toLowerCase()) throw new BadAnswer("hash", "the node answers for another request");
        if (view.state === "applied") return view;
        if (view.state !== "pending") throw refused(hash, view.problem);
      } catch (error) {
        if (!(error instanceof NodeRefused)) throw error;
        if (error.code === UNKNOWN && request !== undefined) await this.#handIn(request, until, seconds);
        else if (error.code === NOT_A_MEMBER && own) own = false; // a session key, which reads nothing
        else if (error.code !== UNKNOWN && error.code !== UNREAD) throw error;
      }
      await pause(POLL);
    }
    throw new NoFate(hash, seconds);
  }

  /** Answers to a question, each when it changed. */
  watch<T>(question: () => Promise<T>, seconds = 0.5): AsyncGenerator<T> {
    return watch(question, seconds);
  }

  /** The newest decided height, each time there is one. */
  heights(seconds = 0.2): AsyncGenerator<StateView> {
    return watch(() => this.state(), seconds);
  }

  /** Server-sent events of a path, after the one with this id. */
  stream<T>(path: string, options: { readonly signed?: boolean; readonly lastId?: string } = {}): AsyncGenerator<{ readonly value: T; readonly id: string }> {
    const open = async (lastId: string): Promise<Response> => {
      const headers: Record<string, string> = { accept: "text/event-stream", ...(lastId ? { "last-event-id": lastId } : {}) };
      return opened(await this.#request("GET", path, { signed: options.signed ?? false }, headers), this.#fetch, this.#timeout);
    };
    return follow<T>(open, path, this.#retries, this.#timeout, options.lastId);
  }

  /**
   * Topics of `/v1/stream`, such as `heights`, `marks` or `receipts:1`, from snapshots or from a cursor on; signed if there is a
   * signer. Over server-sent events, or the platform's WebSocket. A frame `gap` says that the node has forgotten what followed.
   */
  follow(topics: readonly string[], cursor = "", options: FollowOptions = {}): FrameStream {
    const path = `/v1/stream?topics=${topics.join(",")}`;
    const asked = (after: string) =>
      this.#request("GET", path + (after && `&cursor=${after}`), { signed: this.signer !== undefined }, { accept: "text/event-stream" });
    const open = async (after: string, signal: AbortSignal): Promise<Response> => opened(await asked(after), this.#fetch, this.#timeout, signal);
    const dial = async (after: string): Promise<WebSocket> => {
      const { url, headers } = await asked(after);
      const signature = headers.get("authorization")?.replace("Crossclear ", "").replaceAll(":", ".");
      // A WebSocket of the platform takes no headers.
      const protocols = [SUBPROTOCOL, ...(signature === undefined ? [] : [`crossclear.signed.${signature}`])];
      return new WebSocket(url.replace(/^http/, "ws"), protocols);
    };
    const { websocket = false, retries, turned } = options;
    const connect = websocket ? overSocket(dial, open, this.#timeout) : overEvents(open, this.#timeout);
    return new FrameStream(connect, topics, { retries: { ...this.#retries, ...retries }, cursor, turned });
  }

  /** The steps of a submitted deposit until it is credited or refused. */
  collateralEventSteps(chainId: Whole, reference: string): AsyncGenerator<{ readonly value: CollateralEventView; readonly id: string }> {
    return this.stream(`/v1/collateral-events/${chainId}/${reference}/stream`);
  }
}

const jsonOf = (answer: Answer): unknown => readJson(new TextDecoder().decode(answer.body));
const exact = (value: bigint): Whole => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);

function refused(hash: string, problem: SubmitResults["results"][number]["problem"]): RequestRefused {
  if (problem === undefined || problem === null) return new RequestRefused("R0874", "the request was refused without a reason", "", "", hash);
  return new RequestRefused(problem.code, problem.message, problem.at, problem.remedy, hash);
}
