/** Server-sent events, taken up after the last one that arrived, and answers that are asked again. */
import { BadAnswer, NodeUnreachable, StreamLost } from "./errors.js";
import { readJson } from "./json.js";
import { BUSY, pause, type Retries, refusal, refusalText, waitOf } from "./transport.js";

export interface Event { readonly data: string; readonly id: string; readonly event: string }
const EVENT_CHARS_MAX = 1 << 20;
const SILENT_SECONDS_MAX = 30;
/** A node ends a stream of steps from time to time: one that stood for so long was no failure, though nothing came. A deposit may wait an hour for its next step. */
const STEADY_MS = 5_000;

/**
 * A node sends an event every few seconds: after so long without one `leave` is called. What is no event does not count, and
 * neither does the time in which nobody waits for one.
 */
export class Silence {
  isOver = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly leave: () => void) {}

  /** An event came, or somebody begins to wait for one. */
  begin(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isOver = true;
      this.leave();
    }, SILENT_SECONDS_MAX * 1_000);
  }

  end(): void {
    clearTimeout(this.timer);
  }
}

/** Text in, events out (HTML standard, "Server-sent events"). Throws BadAnswer for an event beyond a megabyte. */
export class EventParser {
  lastId = "";
  private rest = "";
  private data: string[] = [];
  private size = 0;
  private event = "";

  push(text: string): Event[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.line(line));
    this.bounded(this.size + this.rest.length);
    return events;
  }

  private bounded(size: number): void {
    if (size > EVENT_CHARS_MAX) throw new BadAnswer("stream", `an event of more than ${EVENT_CHARS_MAX} characters`);
  }

  private line(line: string): Event[] {
    if (line === "") {
      const [data, event] = [this.data, this.event];
      this.data = [];
      this.size = 0;
      this.event = "";
      return data.length > 0 ? [{ data: data.join("\n"), id: this.lastId, event: event || "message" }] : [];
    }
    this.size += line.length + 1;
    this.bounded(this.size);
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id" && !value.includes("\0")) this.lastId = value;
    return [];
  }
}

/** Events of a path until the node says that it is over (204). Throws StreamLost, NodeRefused, BadAnswer. */
export async function* follow<T>(
  open: (lastId: string) => Promise<Response>, path: string, retries: Retries, timeout: number, lastId = "",
): AsyncGenerator<{ readonly value: T; readonly id: string }> {
  let failed = 0;
  for (;;) {
    let why: string;
    try {
      const response = await open(lastId);
      if (response.status === 204) return;
      if (response.status === 200) {
        const parser = new EventParser();
        const since = Date.now();
        parser.lastId = lastId;
        for await (const event of eventsOf(response, parser)) {
          failed = 0;
          lastId = event.id || lastId;
          yield { value: readJson(event.data) as T, id: lastId };
        }
        if (Date.now() - since >= STEADY_MS) failed = 0;
        why = "the node closed the connection";
      } else if (!BUSY.includes(response.status)) throw refusal(response.status, await refusalText(response, timeout));
      else why = `status ${response.status}`;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof NodeUnreachable)) throw error;
      why = String(error);
    }
    failed += 1;
    const wait = waitOf(retries, failed, undefined);
    if (wait === undefined) throw new StreamLost(path, `the stream broke off: ${why.slice(0, 200)}`);
    await pause(wait);
  }
}

/** The events of a response, as `parser` reads them. Throws TypeError after 30 seconds without one. */
export async function* eventsOf(response: Response, parser: EventParser): AsyncGenerator<Event> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  const leave = () => reader.cancel().catch(() => undefined);
  const silence = new Silence(leave);
  try {
    for (;;) {
      silence.begin();
      let found: Event[] = [];
      while (found.length === 0) {
        const { done, value } = await reader.read();
        if (silence.isOver) throw new TypeError(`no event for ${SILENT_SECONDS_MAX} s`);
        if (done) return;
        found = parser.push(decoder.decode(value, { stream: true }));
      }
      silence.end();
      yield* found;
    }
  } finally {
    silence.end();
    await leave();
  }
}

/** Answers to a question, each when it differs from the one before. A node that cannot be reached is asked again. */
export async function* watch<T>(question: () => Promise<T>, seconds: number): AsyncGenerator<T> {
  let last: string | undefined;
  for (;;) {
    try {
      const answer = await question();
      const text = JSON.stringify(answer, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
      if (text !== last) {
        last = text;
        yield answer;
      }
    } catch (error) {
      if (!(error instanceof NodeUnreachable)) throw error;
    }
    await pause(seconds);
  }
}
