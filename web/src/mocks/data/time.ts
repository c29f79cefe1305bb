// When things happened in the demo. Names, hashes, versions and figures in it are invented.

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** The demo's day begins when the page is opened. */
export const NOW = Date.now();
