/** Server-sent events, taken up after the last one that arrived, and answers that are asked again. */
import { BadAnswer, NodeUnreachable, StreamLost } from "./errors.js";
import { readJson } from "./json.js";
import { BUSY, pause, type Retries, refusal, refusalText, waitOf } from "./transport.js";

export interface Event { readonly data: string; readonly id: string; readonly event: string }
const EVENT_CHARS_MAX = 1 << 20;
const SILENT_SECONDS_MAX = 30;

/** Text in, events out (HTML standard, "Server-sent events"). Throws BadAnswer for an event beyond a megabyte. */
export class EventParser {
  lastId = "";
  private rest = "";
  private data: string[] = [];
  private event = "";

  push(text: string): Event[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    if (this.rest.length + this.data.reduce((size, each) => size + each.length, 0) > EVENT_CHARS_MAX) {
      throw new BadAnswer("stream", `an event of more than ${EVENT_CHARS_MAX} characters`);
    }
    return lines.flatMap((line) => this.line(line));
  }

  private line(line: string): Event[] {
    if (line === "") {
      const [data, event] = [this.data, this.event];
      this.data = [];
      this.event = "";
      return data.length > 0 ? [{ data: data.join("\n"), id: this.lastId, event: event || "message" }] : [];
    }
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
        parser.lastId = lastId;
        for await (const event of eventsOf(response, parser)) {
          failed = 0;
          lastId = event.id || lastId;
          yield { value: readJson(event.data) as T, id: lastId };
        }
        why = "the node closed the connection"; // it ends a stream from time to time
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

/** The events of a response, as `parser` reads them. */
export async function* eventsOf(response: Response, parser: EventParser): AsyncGenerator<Event> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await unlessSilent(reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A node sends something every few seconds; a connection that is silent for longer is taken for dead. */
async function unlessSilent<T>(reading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TypeError(`silent for ${SILENT_SECONDS_MAX} s`)), SILENT_SECONDS_MAX * 1_000);
  });
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
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
