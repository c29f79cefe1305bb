import { ArrowRight, Box, Globe } from "lucide-react";
import type { ReactNode } from "react";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Mark } from "@/components/mark";
import { cx } from "@/lib/classes";

/** Sandbox, Archestra, outside: what is in, what passes, what is out. */
export function Boundary({
  inside,
  gate,
  outside,
}: {
  inside: readonly ReactNode[];
  gate: readonly ReactNode[];
  outside: readonly ReactNode[];
}) {
  return (
    <div className="grid grid-cols-1 items-stretch lg:grid-cols-[minmax(0,1fr)_3.5rem_minmax(0,1.15fr)_3.5rem_minmax(0,1fr)]">
      <Zone
        className="border-[1.5px] border-dashed border-sandbox-wall bg-sandbox-soft"
        title={
          <span className="inline-flex items-center gap-[7px] text-sandbox">
            <Icon of={Box} /> In the sandbox
          </span>
        }
        items={inside}
      />
      <Pipe />
      <Zone
        className="border-[1.5px] border-accent"
        title={
          <>
            <Mark className="size-[18px]" /> Archestra
          </>
        }
        items={gate}
      />
      <Pipe />
      <Zone
        className="border border-border"
        title={
          <>
            <Icon of={Globe} /> Outside
          </>
        }
        items={outside}
      />
    </div>
  );
}

function Zone({
  title,
  items,
  className,
}: {
  title: ReactNode;
  items: readonly ReactNode[];
  className: string;
}) {
  return (
    <div className={cx("min-w-0 rounded-card px-4 py-3.5", className)}>
      <Heading className="flex items-center gap-[7px] font-semibold">{title}</Heading>
      <ul>
        {items.map((it, i) => (
          <li key={i} className="mt-[5px] text-muted [overflow-wrap:anywhere]">
            {it}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Pipe() {
  return (
    <div className="relative grid place-items-center text-faint before:absolute before:inset-x-0 before:top-1/2 before:border-t-[1.5px] before:border-border max-lg:h-7 max-lg:before:inset-x-auto max-lg:before:inset-y-0 max-lg:before:left-1/2 max-lg:before:border-t-0 max-lg:before:border-s-[1.5px]">
      <span className="relative bg-surface px-0.5 max-lg:rotate-90">
        <Icon of={ArrowRight} />
      </span>
    </div>
  );
}
