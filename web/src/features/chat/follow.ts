// Whether a thread follows its end. It does while the reader is there, and it lets go at the first sign
// that the reader wants to look at something else.

export interface Following {
  on: boolean;
  /** Where the scroller stood, in pixels from the top. */
  top: number;
  /** How much there was to be scrolled. */
  height: number;
}

/** How the scroller stands. */
export interface Measure {
  top: number;
  /** Of all that can be scrolled. */
  height: number;
  /** Of what is seen. */
  seen: number;
}

export type Sign =
  /** The reader turned a wheel, drew or pressed a key towards the beginning. */
  | { type: "back" }
  /** The scroller stands elsewhere, whoever moved it. */
  | { type: "scroll"; measure: Measure }
  /** The reader asked for the end, or has sent something. */
  | { type: "end" };

/** So near the end is at the end. */
const NEAR = 48;

export const START: Following = { on: true, top: 0, height: 0 };

export function follow(before: Following, sign: Sign): Following {
  switch (sign.type) {
    case "back":
      return { ...before, on: false };
    case "end":
      return { ...before, on: true };
    case "scroll": {
      const { top, height, seen } = sign.measure;
      const isAtEnd = height - seen - top <= NEAR;
      // Upwards is the reader, unless the content has become shorter. Downwards to the end takes it
      // up again.
      const isBack = top < before.top - 1 && height >= before.height && !isAtEnd;
      const on = isBack ? false : before.on || (isAtEnd && top >= before.top);
      return { on, top, height };
    }
  }
}
