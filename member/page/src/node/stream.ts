import { type Frame, type FrameStream, NodeRefused } from "../../../../client/typescript/src/index";
import { type PageClient, plain } from "./client";

/**
 * Frames of `/v1/stream` for as long as the page is open, by the client's stream, which takes up what breaks after its cursor.
 * Where the node opens none, `isOpen` stays false and who needs answers asks for them.
 */
type Listener = (frame: Frame) => void;

const RETRIES = { attempts: Infinity, firstWait: 0.5, longestWait: 30, longestAskedWait: 60 };
const REFUSED_MS = 5_000;

export class PageStream {
  /** Whether frames arrive. */
  isOpen = false;
  private frames: FrameStream | undefined;
  private stopped = false;
  private wake: () => void = () => undefined;
  private readonly listeners = new Set<readonly [ReadonlySet<string>, Listener]>();
  private readonly changes = new Set<() => void>();
  private readonly turned = (): void => {
    if (isAway()) return this.frames?.end();
    this.frames?.hurry();
    this.wake();
  };

  constructor(private readonly open: () => PageClient, private readonly topics: readonly string[]) {}

  /** Follow the topics until stopped. A hidden page has no stream: browsers open only six connections to a node. */
  async run(): Promise<void> {
    for (const event of EVENTS) addEventListener(event, this.turned);
    document.addEventListener("visibilitychange", this.turned);
    while (!this.stopped) {
      if (!isAway()) await this.followed();
      this.turn(false);
      if (!this.stopped) await this.pause(REFUSED_MS);
    }
  }

  stop(): void {
    this.stopped = true;
    for (const event of EVENTS) removeEventListener(event, this.turned);
    document.removeEventListener("visibilitychange", this.turned);
    this.frames?.end();
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
    if (!this.isOpen) return;
    this.frames?.end();
    this.wake();
  }

  /** The node is below this height of the cursor: another network's, or one that begins anew. */
  forgetBeyond(height: bigint): void {
    if (this.frames !== undefined && this.frames.cursor !== "" && BigInt(this.frames.cursor.split(":")[0] ?? "0") > height) this.frames.cursor = "";
  }

  /** Until the page is hidden or offline, or the node refuses. */
  private async followed(): Promise<void> {
    const frames = (this.frames ??= this.open().follow(this.topics, "", { retries: RETRIES, turned: (isOpen) => this.turn(isOpen) }));
    try {
      for await (const frame of frames) {
        const shown = { ...frame, data: plain(frame.data) };
        for (const [topics, listener] of [...this.listeners]) if (topics.has(frame.topic)) listener(shown);
      }
    } catch (error) {
      // What the node refuses of this stream it may grant to a new one, from snapshots and with the network as it is now.
      if (error instanceof NodeRefused) this.frames = undefined;
    }
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

/** Said at the window when the node answers again: streams need not wait for their next attempt. */
export const REACHED = "crossclear-reached";
const EVENTS = ["online", "offline", REACHED] as const;
const isAway = (): boolean => document.hidden || !navigator.onLine;
