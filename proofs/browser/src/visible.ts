/** Plain text: docs/specification/encoding.md. */
const CODE_POINTS_MAX = 2000;

/** Code points that are printed as they are, in ranges that do not depend on a version of Unicode. */
const PLAIN: readonly (readonly [number, number])[] = [
  [0x20, 0x7e], [0xa1, 0xac], [0xae, 0x24f], [0x370, 0x373], [0x376, 0x377], [0x37b, 0x37f], [0x384, 0x38a], [0x38c, 0x38c],
  [0x38e, 0x3a1], [0x3a3, 0x482], [0x48a, 0x52f], [0x1e00, 0x1eff], [0x2010, 0x2027], [0x2030, 0x205e], [0x2070, 0x2071],
  [0x2074, 0x208e], [0x20a0, 0x20bf], [0x2190, 0x22ff], [0x2308, 0x230b], [0x2500, 0x25ff], [0x2713, 0x2717],
  [0x27e6, 0x27eb], [0x3041, 0x3096], [0x30a1, 0x30fa], [0x30fc, 0x30fc], [0x4e00, 0x9fff], [0xac00, 0xd7a3],
];

const isPlain = (code: number): boolean => PLAIN.some(([first, last]) => code >= first && code <= last);

/** Text of a file without control characters, marks of direction, line ends and unusual spaces: `\u` and the number. */
export function visible(text: string): string {
  const points = [...text];
  const kept = points.length > CODE_POINTS_MAX ? [...points.slice(0, CODE_POINTS_MAX), "…"] : points;
  return kept.map((character) => {
    const code = character.codePointAt(0) ?? 0;
    return isPlain(code) ? character : `\\u${code.toString(16).padStart(4, "0")}`;
  }).join("");
}

/** At most so many characters. */
export const cut = (text: string, most: number): string => [...text].slice(0, most).join("");
