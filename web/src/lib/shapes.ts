/** The shapes of a state: a disc runs, a ring sleeps, a thick ring waits for you, a diamond failed, an arc works. */
export type Shape = "run" | "idle" | "wait" | "fail" | "busy";
