/** Returns how well `text` answers `query`: 0 is not at all. All words have to be in it, in any order. */
export function score(text: string, query: string): number {
  const hay = text.toLowerCase();
  let total = 0;
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const found = wordScore(hay, word);
    if (found === 0) return 0;
    total += found;
  }
  return total || 1;
}

function wordScore(hay: string, word: string): number {
  const at = hay.indexOf(word);
  if (at === 0) return 10;
  if (at > 0) return /[^\p{L}\p{N}]/u.test(hay.charAt(at - 1)) ? 8 : 5;
  // Letters in their order, as in `srch`.
  let from = 0;
  for (const letter of word) {
    from = hay.indexOf(letter, from) + 1;
    if (from === 0) return 0;
  }
  return word.length > 2 ? 1 : 0;
}

/** Returns those that answer `query`, the best first. */
export function found<T>(items: readonly T[], query: string, text: (item: T) => string): T[] {
  if (!query.trim()) return [...items];
  return items
    .map((item) => ({ item, rank: score(text(item), query) }))
    .filter((it) => it.rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .map((it) => it.item);
}
