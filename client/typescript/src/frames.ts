/**
 * Following `/v1/stream`: topics from snapshots or from a cursor on, over server-sent events or a WebSocket. Frames come once
 * and in order: a break goes on after the last cursor, and where the node has forgotten what followed, a frame `gap` says so.
 */
import { BadAnswer, NodeUnreachable, StreamLost } from "./errors.js";
import { readJson, writeJson } from "./json.js";
import { EventParser, eventsOf, Silence } from "./streams.js";
import { BUSY, type Retries, refusal, refusalText, retryAfter, waitOf } from "./transport.js";

/**
 * A `snapshot` of a topic replaces what was known of it, a `delta` is what changed. A `gap` is of the client: its data is the
 * node's refusal, and snapshots follow; receipts that were missed are at `/v1/receipts`.
 */
export interface Frame { readonly topic: string; readonly cursor: string; readonly kind: "snapshot" | "delta" | "heartbeat" | "end" | "gap"; readonly data: unknown }

/** The frames of one connection until it ends. Throws Refused, TypeError for a connection that fails, and what an abort throws. */
export type Connect = (cursor: string, signal: AbortSignal) => AsyncIterable<Frame>;

/** The node's answer where it is none of a stream. */
export class Refused extends Error {
  constructor(readonly status: number, readonly body: string, readonly wait: number | undefined) {
    super(`status ${status}`);
  }
}

/** Of a frame; empty in a first snapshot that others follow. The next request is signed with it. */
const CURSOR = /^(?:(?:0|[1-9][0-9]{0,17}):(?:0|[1-9][0-9]{0,8}))?$/;
const KINDS = ["snapshot", "delta"];
/** Fields of receipts that are an account; lists have others. */
const ACCOUNT_FIELDS = ["account", "buyer", "seller", "recipient", "named_account", "bidder", "fund", "backstop", "estate"];
const [OLD, SLOW, ENDING] = ["R0960", "R0963", "R0965"];

/** `turned`: called with true when the first frame of a connection comes, and with false when a connection ended. */
export interface Following { readonly retries: Retries; readonly cursor: string; readonly turned?: ((isOpen: boolean) => void) | undefined }

/**
 * The frames of some topics, without heartbeats. Iterate it: an iteration never ends by itself, and another one goes on where the
 * last one was. Throws StreamLost, NodeRefused, BadAnswer.
 */
export class FrameStream implements AsyncIterable<Frame> {
  /** Everything up to here was taken: give it to a later stream, at this node or another, to go on from here. */
  cursor: string;
  #attempt = new AbortController();
  #wake: () => void = () => undefined;

  constructor(private readonly connect: Connect, private readonly topics: readonly string[], private readonly following: Following) {
    this.cursor = following.cursor;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Frame, void> {
    this.#attempt = new AbortController();
    return this.#frames(this.#attempt.signal);
  }

  /** End the iteration that is under way, and its connection. */
  end(): void {
    this.#attempt.abort();
    this.#wake();
  }

  /** Wait no longer before the next connection. */
  hurry(): void {
    this.#wake();
  }

  async *#frames(signal: AbortSignal): AsyncGenerator<Frame, void> {
    const { retries, turned } = this.following;
    let failed = 0;
    let isOpen = false;
    while (!signal.aborted) {
      let [why, asked, gap] = ["the node closed the connection", undefined as number | undefined, undefined as unknown];
      try {
        for await (const frame of this.connect(this.cursor, signal)) {
          if (frame.kind === "end") {
            const refused = refusal(200, writeJson(frame.data));
            if (refused.code !== ENDING && refused.code !== SLOW) throw refused;
            if (refused.code === SLOW) gap = frame.data;
            why = refused.message;
            break;
          }
          if (!CURSOR.test(String(frame.cursor))) throw new BadAnswer("cursor", "expected HEIGHT:INDEX");
          if (frame.kind !== "heartbeat" && (!KINDS.includes(frame.kind) || !this.topics.includes(frame.topic))) {
            throw new BadAnswer("stream", `a frame ${String(frame.kind).slice(0, 16)} of ${String(frame.topic).slice(0, 32)} was not asked for`);
          }
          if (frame.kind !== "heartbeat" && !isOfTopic(frame.topic, frame.data as Fields)) {
            throw new BadAnswer("stream", `a frame of ${frame.topic} is about another account`);
          }
          if (!isAfter(this.cursor, frame)) throw new BadAnswer("cursor", "frames come once and in order");
          [this.cursor, failed] = [frame.cursor, 0];
          if (!isOpen) turned?.(true);
          isOpen = true;
          if (frame.kind !== "heartbeat") yield frame;
          if (signal.aborted) return;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused) {
          const refused = refusal(error.status, error.body);
          if (refused.code === OLD) gap = readJson(error.body);
          else if (!BUSY.includes(error.status)) throw refused;
          asked = error.wait;
        } else if (!(error instanceof TypeError || error instanceof NodeUnreachable)) throw error;
        why = String(error);
      }
      turned?.(false);
      isOpen = false;
      if (gap !== undefined) {
        const before = this.cursor;
        this.cursor = "";
        yield { topic: "", cursor: before, kind: "gap", data: gap };
        continue;
      }
      failed += 1;
      const wait = waitOf(retries, failed, asked);
      if (wait === undefined) throw new StreamLost(`/v1/stream?topics=${this.topics.join(",")}`, `the stream broke off: ${why.slice(0, 200)}`);
      await this.#pause(wait, signal);
    }
  }

  #pause(seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resume) => {
      if (signal.aborted) return resume();
      const timer = setTimeout(resume, seconds * 1_000);
      this.#wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }
}

/**
 * Whether a frame may follow the cursor: an event is beyond it, a value or a heartbeat not before it. Snapshots of events, and
 * frames without a cursor, come before there is one.
 */
function isAfter(cursor: string, frame: Frame): boolean {
  if (cursor === "") return true;
  const [before, now] = [sortable(cursor), sortable(frame.cursor)];
  const isValue = frame.kind === "heartbeat" || frame.topic === "sales" || frame.topic.startsWith("account:");
  return isValue ? now >= before : frame.kind === "delta" && now > before;
}
const sortable = (cursor: string): string => cursor.split(":").map((part) => part.padStart(18, "0")).join(":");

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** Throws BadAnswer for what is no frame; kind, topic and cursor are looked at where it is taken. */
function frameOf(value: unknown): Frame {
  if (!isFields(value) || typeof value["topic"] !== "string" || !isFields(value["data"])) throw new BadAnswer("stream", "an event that is no frame");
  return value as unknown as Frame;
}

/** Whether the data is of the account that the topic names, as far as it names accounts: a receipt may name others beside it. */
function isOfTopic(topic: string, data: Fields): boolean {
  const [kind, account = ""] = topic.split(":");
  if (kind === "account") return !("account" in data) || String(data["account"]) === account;
  if (kind !== "receipts" || !("details" in data)) return true;
  const details = data["details"];
  const named = isFields(details) ? accountsOf(details) : [""];
  return named.length === 0 || named.includes(account);
}

/** What may be accounts in a receipt: its fields that are one, and everything in lists. */
function accountsOf(details: Fields): string[] {
  const named: string[] = [];
  const inner: object[] = [];
  const isInner = (value: unknown): value is object => typeof value === "object" && value !== null;
  for (const [name, value] of Object.entries(details)) {
    if (isInner(value)) inner.push(value);
    else if (ACCOUNT_FIELDS.includes(name)) named.push(String(value));
  }
  for (let value = inner.pop(); value !== undefined; value = inner.pop()) {
    for (const each of Object.values(value) as unknown[]) {
      if (isInner(each)) inner.push(each);
      else named.push(String(each));
    }
  }
  return named;
}

/** Over server-sent events. `open` asks with a cursor. */
export function overEvents(open: (cursor: string, signal: AbortSignal) => Promise<Response>, timeout: number): Connect {
  return async function* connect(cursor, signal) {
    const response = await open(cursor, signal);
    if (response.status !== 200) throw await refusedBy(response, timeout);
    for await (const event of eventsOf(response, new EventParser())) yield frameOf(readJson(event.data));
  };
}

async function refusedBy(response: Response, timeout: number): Promise<Refused> {
  return new Refused(response.status, await refusalText(response, timeout), retryAfter(response.headers));
}

const MESSAGE_CHARS_MAX = 4 << 20;
const WAITING_CHARS_MAX = 8 << 20;

/**
 * Over a WebSocket. The platform's hands over messages whether or not they are taken: of more than eight million characters that
 * wait, the connection is closed, and taken up after the last cursor once they are taken. It also hides why a node refuses a
 * handshake, so the same is then asked by `open`, as server-sent events.
 */
export function overSocket(
  dial: (cursor: string) => Promise<WebSocket>, open: (cursor: string, signal: AbortSignal) => Promise<Response>, timeout: number,
): Connect {
  return async function* connect(cursor, signal) {
    const inbox = new Inbox(await dial(cursor));
    signal.addEventListener("abort", () => inbox.end(), { once: true });
    if (signal.aborted) inbox.end();
    try {
      for (;;) {
        const message = await inbox.next();
        if (message === undefined) break;
        const found = readJson(message);
        if (!Array.isArray(found) || found.length === 0) throw new BadAnswer("stream", "a message without a frame");
        yield* found.map(frameOf);
      }
    } finally {
      inbox.close();
    }
    if (inbox.opened || signal.aborted) return;
    const response = await open(cursor, signal);
    if (response.status !== 200) throw await refusedBy(response, timeout);
    await response.body?.cancel();
    throw new TypeError("the node takes no WebSocket here");
  };
}

/** The messages of a socket, in order and bounded. */
class Inbox {
  opened = false;
  private readonly waiting: string[] = [];
  private size = 0;
  private isOver = false;
  private fault: Error | undefined;
  private wake: (() => void) | undefined;
  private readonly silence = new Silence(() => this.end());

  constructor(private readonly socket: WebSocket) {
    socket.onopen = () => { this.opened = true; this.hear(); };
    socket.onmessage = ({ data }: MessageEvent) => this.put(data);
    socket.onclose = () => this.end();
    socket.onerror = () => this.end();
    this.hear();
  }

  /** The next message; undefined at the end. */
  async next(): Promise<string | undefined> {
    while (this.waiting.length === 0 && !this.isOver) await new Promise<void>((done) => { this.wake = done; });
    const message = this.waiting.shift();
    this.size -= message?.length ?? 0;
    if (message === undefined && this.fault !== undefined) throw this.fault;
    return message;
  }

  close(): void {
    this.silence.end();
    this.isOver = true;
    if (this.socket.readyState <= 1) this.socket.close();
  }

  private put(data: unknown): void {
    if (this.isOver) return;
    this.hear();
    if (typeof data !== "string" || data.length > MESSAGE_CHARS_MAX) {
      this.fault = new BadAnswer("stream", "a message that is no text, or too long");
      this.end();
      return;
    }
    if (this.size > WAITING_CHARS_MAX) {
      this.end();
      return;
    }
    this.waiting.push(data);
    this.size += data.length;
    this.wake?.();
  }

  private hear(): void {
    if (!this.isOver) this.silence.begin();
  }

  end(): void {
    this.close();
    this.wake?.();
  }
}
