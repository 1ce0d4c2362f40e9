/** Text of a file without control characters, marks of direction, line ends and unusual spaces: `\\u` and the number. */
export const visible = (text: string): string =>
  text.replace(/(?! )[\p{C}\p{Z}]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
