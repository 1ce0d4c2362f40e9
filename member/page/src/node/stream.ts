import { type Frame, NodeRefused } from "../../../../client/typescript/src/index";
import { type PageClient, plain } from "./client";

/**
 * Frames of `/v1/stream` for as long as the page is open. A stream that breaks is taken up after its last cursor, so that no
 * event is missed; where the node opens none, `isOpen` stays false and who needs answers asks for them.
 */
type Listener = (frame: Frame) => void;

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

export class PageStream {
  /** Whether frames arrive. */
  isOpen = false;
  private cursor = "";
  private attempt = new AbortController();
  private stopped = false;
  private wake: () => void = () => undefined;
  private readonly listeners = new Set<readonly [ReadonlySet<string>, Listener]>();
  private readonly changes = new Set<() => void>();
  private readonly turned = (): void => (document.hidden || !navigator.onLine ? this.attempt.abort() : this.wake());

  /** `open`: a client whose requests end with the signal. */
  constructor(private readonly open: (signal: AbortSignal) => PageClient, private readonly topics: readonly string[]) {}

  /** Follow the topics until stopped. A hidden page has no stream: browsers open only six connections to a node. */
  async run(): Promise<void> {
    for (const event of EVENTS) addEventListener(event, this.turned);
    document.addEventListener("visibilitychange", this.turned);
    let wait = FIRST_WAIT_MS;
    while (!this.stopped) {
      if (!document.hidden && (await this.followed())) wait = FIRST_WAIT_MS;
      if (this.stopped) return;
      await this.pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }

  stop(): void {
    this.stopped = true;
    for (const event of EVENTS) removeEventListener(event, this.turned);
    document.removeEventListener("visibilitychange", this.turned);
    this.attempt.abort();
    this.wake();
  }

  /** Call `listener` with each frame of these topics. */
  subscribe(topics: readonly string[], listener: Listener): () => void {
    const entry = [new Set(topics), listener] as const;
    this.listeners.add(entry);
    return () => this.listeners.delete(entry);
  }

  /** Call `listener` when frames begin or cease to arrive. */
  onChange(listener: () => void): () => void {
    this.changes.add(listener);
    return () => this.changes.delete(listener);
  }

  /** End the connection, which is taken for dead, and try again. */
  breakOff(): void {
    this.attempt.abort();
  }

  /** The node is below this height of the cursor: another network's, or one that begins anew. */
  forgetBeyond(height: bigint): void {
    if (this.cursor !== "" && BigInt(this.cursor.split(":")[0] ?? "0") > height) this.cursor = "";
  }

  /** One connection until it ends; whether a frame arrived. */
  private async followed(): Promise<boolean> {
    this.attempt = new AbortController();
    let began = false;
    try {
      for await (const frame of this.open(this.attempt.signal).follow(this.topics, this.cursor)) {
        began = true;
        // Of the first snapshots only the last has a cursor: to go on after another would skip those that are missing.
        if (frame.cursor !== "") this.cursor = frame.cursor;
        this.turn(true);
        const shown = { ...frame, data: plain(frame.data) };
        for (const [topics, listener] of [...this.listeners]) if (topics.has(frame.topic)) listener(shown);
      }
    } catch (error) {
      // The node no longer has what followed the cursor: begin with snapshots.
      if (error instanceof NodeRefused && [400, 410].includes(error.status)) this.cursor = "";
    }
    this.turn(false);
    return began;
  }

  private turn(isOpen: boolean): void {
    if (this.isOpen === isOpen) return;
    this.isOpen = isOpen;
    for (const listener of [...this.changes]) listener();
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      const timer = setTimeout(resume, ms);
      this.wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }
}

const EVENTS = ["online", "offline"] as const;
