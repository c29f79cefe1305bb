import { useCallback, useState } from "react";

/** Something that a person asked for: what is under way, and what went wrong. */
export interface Action {
  /** The word of what is under way, for instance `Restarting`. */
  busy: string | null;
  error: unknown;
  /** Runs it; true where it went well. Never throws. */
  run: (word: string, what: () => Promise<unknown>) => Promise<boolean>;
  forget: () => void;
}

/** One thing at a time that a button does, with its error kept for the place where it failed. */
export function useAction(): Action {
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const run = useCallback(async (word: string, what: () => Promise<unknown>) => {
    setBusy(word);
    setError(null);
    try {
      await what();
      return true;
    } catch (caught) {
      setError(caught);
      return false;
    } finally {
      setBusy(null);
    }
  }, []);
  const forget = useCallback(() => setError(null), []);
  return { busy, error, run, forget };
}
