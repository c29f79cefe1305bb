import { type ReactNode, useEffect, useState } from "react";
import { ErrorNote } from "@/components/notice";
import { SkeletonRows } from "@/components/progress";

/** What of a query is needed to tell how it stands. */
interface Asked<T> {
  data: T | undefined;
  error: unknown;
  isFetching: boolean;
  refetch: () => unknown;
}

const LATE_MS = 300;

/** What was asked for once it is there; until then its shape, and where it failed, why. */
export function Loaded<T>({
  query,
  what,
  rows = 3,
  children,
}: {
  query: Asked<T>;
  /** In the sentence `… could not be loaded.` */
  what: string;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  const { data, error, isFetching, refetch } = query;
  if (data !== undefined) return children(data);
  if (error) {
    return (
      <div className="p-4">
        <ErrorNote
          title={`${what} could not be loaded.`}
          error={error}
          fix={{ label: "Try again", busy: isFetching, run: () => void refetch() }}
        />
      </div>
    );
  }
  return (
    <Late>
      <SkeletonRows rows={rows} />
    </Late>
  );
}

/** Shows what it holds only where it is still needed after a moment. */
export function Late({ children }: { children: ReactNode }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_MS);
    return () => clearTimeout(timer);
  }, []);
  return late ? children : null;
}
