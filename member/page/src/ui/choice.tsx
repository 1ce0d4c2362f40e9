import { useState } from "preact/hooks";

/**
 * One of a list that may change while it is open. What was chosen stays chosen by its number, wherever it stands by then; when the list
 * has it no more, nothing is chosen, and the form is not sent.
 */
export function Choice({ id, name, options }: { id: string; name: string; options: readonly (readonly [number, string])[] }) {
  const [choice, choose] = useState(options[0]?.[0]);
  const chosen = choice ?? options[0]?.[0];
  const isListed = options.some(([each]) => each === chosen);
  return (
    <select id={id} name={name} required value={isListed ? chosen : ""} onChange={(event) => choose(Number(event.currentTarget.value))}>
      {!isListed && <option key="" value="">no longer listed: choose another</option>}
      {options.map(([each, text]) => <option key={each} value={each}>{text}</option>)}
    </select>
  );
}

/** What was chosen; a number that no list has if nothing was. */
export const chosenOf = (form: FormData, name: string): number => Number(form.get(name) || "NaN");
