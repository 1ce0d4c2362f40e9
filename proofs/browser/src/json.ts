/** JSON in which integers keep all digits, and an object that names a field twice is refused. */
export type Json = null | boolean | string | bigint | number | readonly Json[] | ReadonlyMap<string, Json>;

export class BadJson extends Error {}

const NESTING_MAX = 200;

export function readJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  private at = 0;
  constructor(private readonly text: string) {}

  private fail(why: string): never {
    throw new BadJson(`${why} at character ${this.at}`);
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private space(): void {
    this.match(/[ \t\n\r]*/y);
  }

  private has(mark: string): boolean {
    this.space();
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  end(): void {
    this.space();
    if (this.at !== this.text.length) this.fail("something follows the value");
  }

  value(depth: number): Json {
    if (depth > NESTING_MAX) this.fail("too deeply nested");
    if (this.has("{")) return this.object(depth);
    if (this.has("[")) return this.list(depth);
    if (this.text[this.at] === '"') return this.string();
    const word = this.match(/true|false|null/y);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const number = this.match(/-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y);
    if (number === undefined || number === "") this.fail("a value is expected");
    return /^-?\d+$/.test(number) ? BigInt(number) : Number(number);
  }

  private string(): string {
    const raw = this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (raw === undefined) this.fail("a string is expected");
    const value = JSON.parse(raw) as string;
    if (/\p{Surrogate}/u.test(value)) this.fail("a string with half of a character");
    return value;
  }

  private list(depth: number): Json[] {
    const out: Json[] = [];
    if (this.has("]")) return out;
    do out.push(this.value(depth + 1));
    while (this.has(","));
    if (!this.has("]")) this.fail("a list does not end");
    return out;
  }

  private object(depth: number): Map<string, Json> {
    const out = new Map<string, Json>();
    if (this.has("}")) return out;
    do {
      this.space();
      const name = this.string();
      if (out.has(name)) this.fail(`the name ${JSON.stringify(name)} occurs twice`);
      if (!this.has(":")) this.fail("a colon is expected");
      out.set(name, this.value(depth + 1));
    } while (this.has(","));
    if (!this.has("}")) this.fail("an object does not end");
    return out;
  }
}
