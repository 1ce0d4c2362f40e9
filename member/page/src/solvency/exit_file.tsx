import { useEffect, useState } from "preact/hooks";
import { visible } from "../../../../proofs/browser/src/visible";
import { problemOf } from "../node/client";
import { exitFile } from "../node/exit_file";
import { type Names, type Session, type Token } from "../session";
import { useNewest } from "../ui/acts";
import { integer, shortened, time, tokens } from "../ui/formats";
import { saved } from "../ui/saved";
import { Checks, toneOf, wordsOf } from "./checks";
import { Empty, Mark, Panel, Table } from "../ui/parts";
import { type ExitVerdict, type Trust, verifiedExit } from "../verifying";

/** The exit file of the own account, or one that was kept: its payments, checked down to the validators' certificate. */
export function ExitFile({ session, trust }: { session: Session; trust: Trust }) {
  const { account } = session;
  const [verdict, setVerdict] = useState<ExitVerdict | undefined>(undefined);
  const [problem, setProblem] = useState("");
  // What was verified under another trust is not verified under this one, nor does an earlier file's verdict belong to a later file.
  const begin = useNewest();
  useEffect(() => {
    begin();
    setVerdict(undefined);
    setProblem("");
  }, [trust]);
  const check = async (file: () => Promise<ArrayBuffer>): Promise<ExitVerdict | undefined> => {
    const isNewest = begin();
    setVerdict(undefined);
    setProblem("");
    try {
      const found = await verifiedExit(await file(), trust);
      if (!isNewest()) return undefined;
      setVerdict(found);
      return found;
    } catch (error) {
      if (isNewest()) setProblem(problemOf(error).words);
      return undefined;
    }
  };
  const save = async (own: number): Promise<void> => {
    const made: { name: string; text: string }[] = [];
    const found = await check(async () => {
      const { name, text, view } = await exitFile(session.client, own);
      if (view.leaves.length === 0) throw new Error(`There was nothing to take out at epoch ${view.epoch}.`);
      made.push({ name, text });
      return new TextEncoder().encode(text).buffer as ArrayBuffer;
    });
    if (found?.ok === true) for (const { name, text } of made) saved(name, text);
  };
  return (
    <Panel title="Exit file" note="With this file the vaults pay you even if every validator stops for ever. Keep one of each epoch, fetched before the next one closes: the vaults pay by the epoch before the newest. It has secret salts.">
      {account === undefined ? <Empty>Sign in under Account to get yours.</Empty> : (
        <button type="button" onClick={() => void save(account)}>Save the exit file of account {account}</button>
      )}
      <label for="kept-exit">Check one that you kept; it stays in this browser</label>
      <input id="kept-exit" type="file" accept=".json,application/json" onChange={({ currentTarget: { files } }) => { const file = files?.[0]; if (file !== undefined) void check(() => file.arrayBuffer()); }} />
      <p class="problem" role="alert" id="exit-problem">{problem}</p>
      {verdict !== undefined && <Verdict verdict={verdict} names={session.names} />}
    </Panel>
  );
}

const NAMES = "what a token at an address is called, and how many base units make one: that is this node's word";

function Verdict({ verdict, names }: { verdict: ExitVerdict; names: Names }) {
  const tone = toneOf(verdict);
  return (
    <div id="exit" role="status">
      <p>
        <Mark tone={tone}>{wordsOf[tone]}</Mark> Account {verdict.account}, epoch {verdict.epoch}, root <code title={verdict.root}>{shortened(verdict.root)}</code>
        {verdict.ok ? `, certified ${time(BigInt(verdict.attested["header_time_ms"] ?? 0))}: ${verdict.claim}.` : ". Do not rely on this file: it is forged or damaged, or the trusted values are not its network's."}
      </p>
      <Checks checks={verdict.checks} />
      {verdict.notProven.length > 0 && (
        <>
          <h3>Not proven</h3>
          <ul>{[...verdict.notProven, NAMES].map((each) => <li>{each}</li>)}</ul>
        </>
      )}
      {verdict.ok && (
        <Table caption="Payments" empty="There was nothing to take out at this epoch." rows={verdict.payments} columns={[
          { head: "Payment", cell: ({ kind, number }) => `${kind} ${number}` },
          { head: "Token", cell: ({ token }) => <code title={token}>{shortened(token)}</code> },
          { head: "Base units", numeric: true, cell: ({ amount }) => integer(amount) },
          { head: "As this node reads it", numeric: true, cell: ({ chainId, token, amount }) => asRead(amount, names.tokenAt(BigInt(chainId), token)) },
          { head: "To", cell: ({ to }) => <code title={to}>{shortened(to)}</code> },
        ]} />
      )}
    </div>
  );
}

/** In the file are base units of an address: how many make a unit, and of what, is this node's word. */
const asRead = (amount: string, token: Token | undefined): string =>
  token === undefined ? "" : `${tokens(amount, token.decimals)} ${visible(token.name)}`;
