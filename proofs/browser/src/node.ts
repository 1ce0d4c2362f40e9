import { sha256 } from "@noble/hashes/sha2.js";
import { hex } from "./bytes.js";
import { type Json, readJson } from "./json.js";

/** Packages that a node keeps, over HTTP. The answers are a stranger's: they are read as such, and a package is checked like
 * any other file. */
export interface Listed {
  readonly epoch: bigint;
  readonly height: bigint;
  readonly bytes: number;
  readonly sha256: string;
}

/** Why a node gave nothing, in words for a person. */
export class NodeProblem extends Error {}

const PACKAGE_BYTES_MAX = 1 << 26;
const LIST_BYTES_MAX = 1 << 20;
const PAGES_MAX = 64;

/** The address without a path's last slash. */
export function nodeAddress(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new NodeProblem("An address begins with http:// or https://, such as http://127.0.0.1:8080.");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new NodeProblem("An address begins with http:// or https://.");
  if (url.username !== "" || url.password !== "") throw new NodeProblem("An address has no user name and no password here.");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** All packages that the node lists, the newest first. */
export async function listPackages(address: string, signal: AbortSignal): Promise<Listed[]> {
  const out: Listed[] = [];
  let after = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await ask(`${address}/v1/proofs${after === "" ? "" : `?after=${after}`}`, signal);
    const { packages, next } = readPage(new TextDecoder().decode(await body(answer, LIST_BYTES_MAX)));
    out.push(...packages);
    if (next === "") break;
    after = next;
  }
  return out.sort((a, b) => (a.epoch < b.epoch ? 1 : -1));
}

/** The bytes of a listed package, which are those that the node listed. */
export async function fetchPackage(
  address: string, { epoch, sha256: digest }: Listed, signal: AbortSignal, share: (bytes: number) => void,
): Promise<Uint8Array> {
  const bytes = await body(await ask(`${address}/v1/proofs/${epoch}`, signal), PACKAGE_BYTES_MAX, share);
  if (hex(sha256(bytes)) !== digest) throw new NodeProblem(`The node sent other bytes for epoch ${epoch} than it lists. List its packages again.`);
  return bytes;
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { signal, credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" });
  } catch (error) {
    if (signal.aborted) throw new NodeProblem("Stopped.");
    throw new NodeProblem(
      `There is no answer that this page may read. Either nothing listens at this address, or the node lets no page of the origin ` +
        `"${location.protocol === "file:" ? "null" : location.origin}" read its answers: its setting \`api.origins\` decides that, and for a page from the disk only "*" does.`,
      { cause: error },
    );
  }
  if (answer.ok) return answer;
  if (answer.status === 429) {
    throw new NodeProblem(`The node is asked too often. Try again in ${Number(answer.headers.get("Retry-After") ?? "1")} seconds.`);
  }
  throw new NodeProblem(
    answer.status === 404
      ? "The node does not have this package, or this is no address of a node."
      : `The node refuses with the status ${answer.status}.`,
  );
}

async function body(answer: Response, most: number, share: (bytes: number) => void = () => undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = answer.body?.getReader();
  for (;;) {
    const next = await reader?.read().catch((error: unknown) => {
      throw new NodeProblem("The connection broke off.", { cause: error });
    });
    if (next?.value === undefined) break;
    length += next.value.length;
    if (length > most) {
      await reader?.cancel();
      throw new NodeProblem(`The node sends more than ${most.toLocaleString("en")} bytes.`);
    }
    parts.push(next.value);
    share(length);
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

function readPage(text: string): { packages: Listed[]; next: string } {
  try {
    const page = readJson(text);
    const next = fieldOf(page, "next");
    const packages = fieldOf(page, "packages");
    if (!Array.isArray(packages) || typeof next !== "string" || !/^\d*$/.test(next)) throw new TypeError("page");
    return { packages: packages.map(readLine), next };
  } catch (error) {
    throw new NodeProblem("The answer is none of a node. Is this the address of its API?", { cause: error });
  }
}

function readLine(line: Json): Listed {
  const whole = (name: string): bigint => BigInt(fieldOf(line, name) as bigint | string);
  const digest = fieldOf(line, "sha256");
  if (typeof digest !== "string" || !/^0x[0-9a-f]{64}$/.test(digest)) throw new TypeError("sha256");
  return { epoch: whole("epoch"), height: whole("height"), bytes: Number(whole("bytes")), sha256: digest.slice(2) };
}

function fieldOf(value: Json, name: string): Json {
  if (!(value instanceof Map) || !value.has(name)) throw new TypeError(name);
  return value.get(name) as Json;
}
