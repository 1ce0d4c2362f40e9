/** JSON in which whole numbers keep all digits: those beyond 2^53 are bigints, all others numbers. No object has a name twice. */
import { BadAnswer } from "./errors.js";

/** Throws BadAnswer; also for a name that an object has twice, of which parsers make different values. */
export function readJson(text: string): unknown {
  try {
    return new Reader(text).whole();
  } catch (error) {
    throw new BadAnswer("body", String(error).slice(0, 200));
  }
}

/** A bigint is written as a number. */
export function writeJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${writeJson(inner)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

const DEPTH_MAX = 200;
const TOKEN = /[ \t\n\r]*([{}[\]:,]|true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|"[^"\\\u0000-\u001f]*(?:\\.[^"\\\u0000-\u001f]*)*")[ \t\n\r]*/y;

class Reader {
  private at = 0;
  constructor(private readonly text: string) {}

  whole(): unknown {
    const value = this.value(this.next(), 0);
    if (this.at !== this.text.length) throw new SyntaxError("something follows the value");
    return value;
  }

  private next(): string {
    TOKEN.lastIndex = this.at;
    const found = TOKEN.exec(this.text);
    if (found?.[1] === undefined) throw new SyntaxError(`no value at character ${this.at}`);
    this.at = TOKEN.lastIndex;
    return found[1];
  }

  private value(token: string, depth: number): unknown {
    if (depth > DEPTH_MAX) throw new SyntaxError("too deeply nested");
    if (token === "{") return this.object(depth);
    if (token === "[") return this.list(depth);
    if (/^-?[0-9]+$/.test(token)) {
      const exact = BigInt(token);
      return exact <= BigInt(Number.MAX_SAFE_INTEGER) && exact >= -BigInt(Number.MAX_SAFE_INTEGER) ? Number(token) : exact;
    }
    return JSON.parse(token);
  }

  private list(depth: number): unknown[] {
    const out: unknown[] = [];
    let token = this.next();
    if (token === "]") return out;
    for (;;) {
      out.push(this.value(token, depth + 1));
      const mark = this.next();
      if (mark === "]") return out;
      if (mark !== ",") throw new SyntaxError("a list does not end");
      token = this.next();
    }
  }

  private object(depth: number): Record<string, unknown> {
    const out = new Map<string, unknown>();
    let token = this.next();
    while (token !== "}") {
      if (!token.startsWith('"') || this.next() !== ":") throw new SyntaxError("a name is expected");
      const name = JSON.parse(token) as string;
      if (out.has(name)) throw new SyntaxError(`the name ${token.slice(0, 64)} occurs twice in one object`);
      out.set(name, this.value(this.next(), depth + 1));
      token = this.next();
      if (token === ",") token = this.next();
      else if (token !== "}") throw new SyntaxError("an object does not end");
    }
    return Object.fromEntries(out);
  }
}
