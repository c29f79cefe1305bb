import type { ReactNode } from "react";
import { cx } from "@/lib/classes";

/** A bar with its amount beside it, in words. */
export function Progress({
  label,
  note,
  value,
}: {
  label: string;
  /** Amount, total and time left. */
  note?: ReactNode;
  /** From 0 to 1; null where nobody knows. */
  value: number | null;
}) {
  const percent = value === null ? null : Math.round(value * 100);
  return (
    <div className="min-w-0">
      <p className="mb-1.5 flex flex-wrap gap-x-2">
        <span className="flex-1">{label}</span>
        <span className="num text-xs text-faint">{note}</span>
      </p>
      <Bar label={label} percent={percent} />
    </div>
  );
}

/** The bar alone. */
export function Bar({ label, percent }: { label: string; percent: number | null }) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent ?? undefined}
      className="h-1.5 overflow-hidden rounded-[2px] bg-press"
    >
      <span
        className={cx("block h-full bg-accent", percent === null && "w-1/3 skeleton")}
        style={percent === null ? undefined : { width: `${percent}%` }}
      />
    </div>
  );
}

const STONES = 10;

/** Ten stones: how much of a whole is used, and how much of that by something apart. */
export function Stones({
  label,
  used,
  apart = 0,
}: {
  label: string;
  /** From 0 to 1. */
  used: number;
  /** The part of it that stands first, in the sandbox's colour. */
  apart?: number;
}) {
  const on = used > 0 ? Math.max(1, Math.min(STONES, Math.round(used * STONES))) : 0;
  const mid = apart > 0 ? Math.max(1, Math.min(on, Math.round(apart * STONES))) : 0;
  return (
    <span role="img" aria-label={label} className="inline-flex flex-none gap-0.5">
      {Array.from({ length: STONES }, (_, i) => (
        <i key={i} className={cx("stone", i < mid ? "stone-mid" : i < on && "stone-on")} />
      ))}
    </span>
  );
}

/** The shape of what is coming, where it is known. */
export function SkeletonRows({ rows = 3 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="divide-y divide-border">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="flex items-center gap-3 px-4 py-3">
          <span className="skeleton size-9 rounded-[9px]" />
          <span className="flex flex-1 flex-col gap-2">
            <span className="skeleton h-[11px] w-2/5" />
            <span className="skeleton h-[11px] w-4/5" />
          </span>
        </div>
      ))}
    </div>
  );
}
