import { type Whole } from "../../../client/typescript/src/index";
import { type PageClient } from "./node/client";
import { type Asked } from "./node/asked";
import { type Signer } from "./node/keys";
import { type LiveState, type State } from "./node/live";
import { type PageStream } from "./node/stream";

/** What every view gets: the node, the terms, the newest state, and who is signed in. */
export interface Session {
  readonly client: PageClient;
  readonly live: LiveState;
  /** What happens to the own account and at the network for members to see; undefined without a key in the page. */
  readonly own: PageStream | undefined;
  readonly names: Names;
  /** What `names` is made of, beside the prices of the newest state. */
  readonly terms: Asked<unknown>;
  readonly account: number | undefined;
  signIn(signer: Signer, account: number): void;
  signOut(): void;
  /** Whether its owner signed out since: what was begun before is signed no more. */
  hasEnded(signer: Signer): boolean;
}

/** A token on its chain, as the terms list it. */
export interface Token {
  readonly asset: number;
  readonly name: string;
  readonly chainId: number;
  readonly vault: string;
  readonly token: string;
  readonly decimals: number;
}

/** Names and units of what the API numbers. */
export class Names {
  readonly tokens: readonly Token[];
  /** How margin calls go: blocks until the deadline (0: none), and levels as parts of maintenance margin and of certainty. Undefined before the terms came. */
  readonly calls: { readonly deadlineBlocks: number; readonly urgentPpm: number; readonly earlyPpm: number } | undefined;
  /** The most that a member is assessed for beyond its contribution, in millionths of it. Undefined before the terms came. */
  readonly assessmentPpm: number | undefined;
  private readonly units: ReadonlyMap<number, number>;
  private readonly instruments = new Map<number, { readonly name: string; readonly feed: number; readonly currency: string }>();
  private readonly groups = new Map<number, { readonly name: string; readonly feed: number }>();

  /** `terms`: of `/v1/governance/terms`, which this node states. What has another shape is left out. */
  constructor(terms: unknown, prices: State["prices"] | undefined) {
    this.units = new Map((prices ?? []).map(({ feed, ticks_per_unit }) => [Number(feed), Number(ticks_per_unit ?? 0)] as const));
    this.tokens = listOf(terms, "assets").map((each) => ({
      asset: numberOf(each, "id"), name: textOf(each, "name"), chainId: numberOf(each, "chain_id"), vault: textOf(each, "vault"),
      token: textOf(each, "token"), decimals: numberOf(each, "token_decimals"),
    }));
    const calls = treeOf(treeOf(terms, "crisis"), "calls");
    this.calls = terms === undefined ? undefined : { deadlineBlocks: numberOf(calls, "deadline_blocks"), urgentPpm: numberOf(calls, "urgent_ppm"), earlyPpm: numberOf(calls, "early_ppm") };
    this.assessmentPpm = terms === undefined ? undefined : numberOf(treeOf(treeOf(terms, "crisis"), "default"), "assessment_ppm");
    const currencies = new Map(listOf(terms, "cash_groups").map((each) => [numberOf(each, "id"), textOf(each, "name")] as const));
    for (const each of listOf(terms, "instruments")) {
      const currency = currencies.get(numberOf(each, "cash_group")) ?? "";
      this.instruments.set(numberOf(each, "id"), { name: textOf(each, "name"), feed: numberOf(each, "feed"), currency });
    }
    for (const each of listOf(treeOf(terms, "risk"), "groups")) {
      this.groups.set(numberOf(each, "id"), { name: textOf(each, "name"), feed: numberOf(each, "feed") });
    }
  }

  tokenAt = (chain: Whole, token: string): Token | undefined =>
    this.tokens.find((each) => BigInt(each.chainId) === BigInt(chain) && each.token.toLowerCase() === token.toLowerCase());
  instrument = (id: number): string => this.instruments.get(id)?.name ?? `instrument ${id}`;
  /** The cash group that it settles in, by its name. */
  currencyOf = (instrument: number): string => this.instruments.get(instrument)?.currency ?? "";
  feedOf = (instrument: number): number => this.instruments.get(instrument)?.feed ?? 0;
  feedOfGroup = (group: number): number | undefined => this.groups.get(group)?.feed;
  isListed = (instrument: number): boolean => this.instruments.has(instrument);
  /** Whether the newest state has the feed: until then it is not known in what its prices are shown. */
  isPriced = (feed: number): boolean => this.units.has(feed);
  unit = (feed: Whole): number => this.units.get(Number(feed)) ?? 0;
  listed = (): readonly (readonly [number, string])[] => [...this.instruments].map(([id, { name }]) => [id, name] as const);
}

function treeOf(tree: unknown, name: string): Record<string, unknown> {
  const found = (tree as Record<string, unknown> | undefined)?.[name];
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
}

function listOf(tree: unknown, name: string): readonly Record<string, unknown>[] {
  const found = (tree as Record<string, unknown> | undefined)?.[name];
  return Array.isArray(found) ? (found as Record<string, unknown>[]) : [];
}
const numberOf = (tree: Record<string, unknown>, name: string): number => Number(tree[name] ?? 0);
const textOf = (tree: Record<string, unknown>, name: string): string => String(tree[name] ?? "");
