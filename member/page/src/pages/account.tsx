import { useRef, useState } from "preact/hooks";
import { type AccountView, type Frame } from "../../../../client/typescript/src/index";
import { Deposit } from "../account/deposit";
import { HeatMap } from "../account/heat_map";
import { Holdings } from "../account/holdings";
import { Ladder } from "../account/ladder";
import { Margin } from "../account/margin";
import { Statements } from "../account/statements";
import { TradeForms } from "../account/trade";
import { WhatIf } from "../account/what_if";
import { Withdrawals } from "../account/withdraw";
import { PageClient, problemOf } from "../node/client";
import { addressOf, asksPerson, connectedWallet, localKey, provider, type Signer } from "../node/keys";
import { type Asked, useAsked } from "../node/asked";
import { type State, useLive } from "../node/live";
import { newestReceipts, withLater, withReceipt } from "../node/receipts";
import { type Session } from "../session";
import { useNewest } from "../ui/acts";
import { integer, time } from "../ui/formats";
import { Loading, Mark, Panel, Shown } from "../ui/parts";
import { Receipts } from "../ui/receipts";

/** The own account: what it has, what it must have, what would be, and what it can ask for. */
export function Account({ session }: { session: Session }) {
  return session.account === undefined ? <SignIn session={session} /> : <Own session={session} account={session.account} />;
}

function SignIn({ session }: { session: Session }) {
  const [problem, setProblem] = useState("");
  const begin = useNewest();
  const enter = async (signer: Signer, account: string, isNewest: () => boolean): Promise<void> => {
    if (!/^[0-9]{1,15}$/.test(account)) return setProblem("An account is a number.");
    try {
      await new PageClient(signer).account(account);
      if (isNewest()) session.signIn(signer, Number(account));
    } catch (error) {
      if (isNewest()) setProblem(problemOf(error).words);
    }
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const isNewest = begin();
    setProblem("");
    const form = new FormData(event.currentTarget as HTMLFormElement);
    try {
      void enter(localKey(String(form.get("key"))), String(form.get("account")).trim(), isNewest);
    } catch (error) {
      setProblem(problemOf(error).words);
    }
  };
  const connect = (event: MouseEvent): void => {
    const account = String(new FormData((event.currentTarget as HTMLButtonElement).form ?? undefined).get("account")).trim();
    const isNewest = begin();
    setProblem("");
    connectedWallet().then((wallet) => enter(wallet, account, isNewest), (error: unknown) => isNewest() && setProblem(problemOf(error).words));
  };
  return (
    <Panel title="Sign in" note="Your key signs what you ask for. It stays in the memory of this page and is gone when you close or reload it.">
      <form onSubmit={submit} autocomplete="off">
        <label for="account">Account number</label>
        <input id="account" name="account" inputMode="numeric" required />
        <label for="key">Trade key, 64 hexadecimal digits</label>
        <input id="key" name="key" type="password" autocomplete="off" spellcheck={false} />
        <div class="row">
          <button type="submit" class="main">Sign in with the key</button>
          {provider() !== undefined && <button type="button" onClick={connect}>Sign in with a wallet</button>}
        </div>
        <p class="problem" role="alert">{problem}</p>
      </form>
    </Panel>
  );
}

function Own({ session, account }: { session: Session; account: number }) {
  const every = asksPerson(session.client.signer) ? 0 : 2_000; // a wallet asks its owner each time
  const about = [session.client, account];
  const state = useAsked(() => session.client.account(account), every, about, { stream: session.own, topics: [`account:${account}`], fold: changedAccount, join: laterAccount });
  const margin = useAsked(() => session.client.margin(account), every, about, { stream: session.own, topics: [`account:${account}`] });
  const receipts = useAsked(
    () => newestReceipts((query) => session.client.receipts({ account, ...query })), every && 5_000, about,
    { stream: session.own, topics: [`receipts:${account}`], fold: withReceipt, join: withLater },
  );
  const closed = useClosed(state, session);
  const who = <p class="row"><code>{session.client.signer === undefined ? "" : addressOf(session.client.signer)}</code><button type="button" onClick={() => session.signOut()}>Sign out</button></p>;
  if (closed !== undefined) {
    return (
      <>
        <Panel title={`Account ${integer(account)}`}>
          {who}
          <p role="alert" id="closed"><Mark tone="bad">{closed.mayBePorted ? "closed or ported" : "closed"}</Mark> {closed.words}</p>
        </Panel>
        <Statements session={session} />
        <Panel title="What happened" note="What the page had before the account ended.">
          {receipts.answer !== undefined && <Receipts list={receipts.answer} names={session.names} empty="Nothing has happened to this account." />}
        </Panel>
      </>
    );
  }
  return (
    <>
      <Panel title={`Account ${integer(account)}`}>
        {who}
        <Shown asked={state} what="your account">{(view) => (
          <>
            <Ladder view={view} session={session} />
            <Holdings view={view} session={session} />
          </>
        )}</Shown>
      </Panel>
      <Shown asked={margin} what="your margin">{(view) => <Margin view={view} names={session.names} />}</Shown>
      <Shown asked={session.terms} what="the terms">{() => <Forms session={session} account={account} />}</Shown>
      <Statements session={session} />
      <Panel title="What happened">
        <Shown asked={receipts} what="your receipts">{(list) => <Receipts list={list} names={session.names} empty="Nothing has happened to this account." />}</Shown>
      </Panel>
    </>
  );
}

const NOT_OWN = "R0848";

/**
 * Whether an account is no longer the signer's that was. A node then answers for it as for one that never was, and keeps no time of it: it
 * ended between the last height that had it and the one at which it was refused. Only a client's account can go to another member.
 */
function useClosed({ answer, problem }: Asked<AccountView>, session: Session): { readonly mayBePorted: boolean; readonly words: string } | undefined {
  const { state } = useLive(session.live);
  const refused = useRef<State | undefined>(undefined);
  const isGone = answer !== undefined && problem?.code === NOT_OWN;
  if (!isGone) refused.current = undefined;
  else refused.current ??= state;
  if (!isGone) return undefined;
  const { current } = refused;
  const mayBePorted = answer.kind === "client";
  const until = current === undefined ? "" : ` and before ${time(current.time_ms)}, height ${integer(current.height)}`;
  return {
    mayBePorted,
    words: `This account is ${mayBePorted ? "closed, or was ported to another member," : "closed"} since a block after height ${integer(answer.height)}${until}. `
      + "It has no figures any more, and nothing can be asked for it.",
  };
}

/** What the member can ask for. Amounts and prices are in units that the terms and the newest state give: none is signed before. */
function Forms({ session, account }: { session: Session; account: number }) {
  const { state } = useLive(session.live);
  if (state === undefined) return <Loading what="the newest state" />;
  return (
    <>
      <HeatMap session={session} account={account} />
      <WhatIf session={session} account={account} />
      <Deposit session={session} account={account} />
      <TradeForms session={session} account={account} />
      <Withdrawals session={session} account={account} />
    </>
  );
}

/** A snapshot is the whole account, a delta what changed of it. */
function changedAccount(before: AccountView | undefined, { kind, data }: Frame): AccountView | undefined {
  if (kind === "snapshot") return data as AccountView;
  return before === undefined ? undefined : { ...before, ...(data as Partial<AccountView>) };
}

const laterAccount = (answer: AccountView, before: AccountView): AccountView => (before.height > answer.height ? before : answer);
