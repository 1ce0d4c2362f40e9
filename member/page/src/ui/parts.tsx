import { Component, type ComponentChildren } from "preact";
import { type Problem as NodeProblem } from "../node/client";
import { type Asked } from "../node/asked";

/** Parts that every view is made of: panels, tables, figures, and what stands where there is nothing to show. */
export function Panel({ title, note, children }: { title: string; note?: ComponentChildren; children: ComponentChildren }) {
  const id = `panel-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {note !== undefined && <p class="note">{note}</p>}
      {children}
    </section>
  );
}

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => ComponentChildren;
  readonly numeric?: boolean;
}

/** `keyOf`: what a row is of, where it holds what can be opened or pressed: it goes with its row when others come before it. */
export function Table<T>({ caption, columns, rows, empty, keyOf }: { caption: string; columns: readonly Column<T>[]; rows: readonly T[]; empty: string; keyOf?: (row: T) => string }) {
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>{columns.map(({ head, numeric }) => <th scope="col" class={numeric === true ? "number" : ""}>{head}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf?.(row)}>{columns.map(({ cell, numeric }) => <td class={numeric === true ? "number" : ""}>{cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Figures({ children }: { children: ComponentChildren }) {
  return <dl class="figures">{children}</dl>;
}

export function Figure({ name, children, tone }: { name: string; children: ComponentChildren; tone?: Tone }) {
  return (
    <div class={`figure ${tone ?? ""}`}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export type Tone = "good" | "part" | "bad";

export function Mark({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`mark ${tone}`}>{children}</span>;
}

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>;

export const Loading = ({ what }: { what: string }) => <p class="empty" role="status">Asking the node for {what}…</p>;

export function Problem({ problem }: { problem: NodeProblem }) {
  return (
    <p class={problem.reached ? "problem" : "offline"} role={problem.reached ? "alert" : "status"}>
      {problem.words}
    </p>
  );
}

/** What is inside cannot take more of the page with it: where it cannot be drawn, a sentence stands until `about` is another. */
export class Contained extends Component<{ about: unknown; children: ComponentChildren }, { failed: readonly [unknown] | undefined }> {
  override state = { failed: undefined as readonly [unknown] | undefined };

  override componentDidCatch(): void {
    this.setState({ failed: [this.props.about] });
  }

  override render(): ComponentChildren {
    const { failed } = this.state;
    return failed !== undefined && failed[0] === this.props.about ? <p class="problem">What the node answered cannot be shown: it is not what its API states.</p> : this.props.children;
  }
}

function Drawn<T>({ answer, draw }: { answer: T; draw: (answer: T) => ComponentChildren }) {
  return <>{draw(answer)}</>;
}

/** The answer, or what stands in its place; an old answer stays while the node is not reached. */
export function Shown<T>({ asked, what, children }: { asked: Asked<T>; what: string; children: (answer: T) => ComponentChildren }) {
  const { answer, problem, repeats } = asked;
  return (
    <>
      {problem !== undefined && <Problem problem={problem} />}
      {problem !== undefined && (repeats ? !problem.reached && <p class="offline">The page asks again by itself.</p> : <button type="button" onClick={() => asked.again()}>Ask again</button>)}
      {answer !== undefined ? <Contained about={answer}><Drawn answer={answer} draw={children} /></Contained> : problem === undefined && <Loading what={what} />}
    </>
  );
}
