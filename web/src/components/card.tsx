import type { ComponentProps, ReactNode } from "react";
import { BelowHeading, Heading } from "@/components/heading";
import { cx } from "@/lib/classes";

/** A border, and dividers inside. Never inside another card. */
export function Card({ className, ...rest }: ComponentProps<"div">) {
  return (
    <div
      className={cx(
        "min-w-0 divide-y divide-border overflow-hidden rounded-card border border-border bg-surface",
        className,
      )}
      {...rest}
    />
  );
}

/** A part of a card. */
export function Cell({ className, ...rest }: ComponentProps<"div">) {
  return <div className={cx("px-4 py-3", className)} {...rest} />;
}

/** A row of a card: something, its title, one muted line, actions at the end. */
export function Row({
  lead,
  title,
  note,
  actions,
  children,
  top = false,
  className,
}: {
  lead?: ReactNode;
  title: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
  /** The actions stand at the top of a high row; on phones below it, so that its text has the width. */
  top?: boolean;
  className?: string;
}) {
  return (
    <div
      className={cx("flex min-w-0 flex-wrap gap-x-3 gap-y-2 px-4 py-2.5 sm:flex-nowrap", className)}
    >
      {lead && <span className="flex-none self-start">{lead}</span>}
      <div
        className={cx(
          "min-w-0 flex-1 self-center sm:basis-0",
          top && !lead ? "basis-full" : "basis-44",
        )}
      >
        <Heading className="flex min-w-0 flex-wrap items-center gap-x-2 gap-y-1 font-semibold">
          {title}
        </Heading>
        {note && <div className="text-muted">{note}</div>}
        {children}
      </div>
      {actions && (
        <div
          className={cx(
            "flex flex-none flex-wrap items-center gap-2",
            top ? "self-start" : "self-center",
          )}
        >
          {actions}
        </div>
      )}
    </div>
  );
}

/** A titled part of a page: the title, its action at the end, what it holds. */
export function Section({
  title,
  hint,
  action,
  children,
  id,
}: {
  title: ReactNode;
  hint?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="mt-6 first:mt-0" id={id}>
      <div className="mb-2.5 flex min-h-7 flex-wrap items-center gap-2">
        <Heading className="flex-1 text-lg font-semibold tracking-[-0.011em]">{title}</Heading>
        {action && <div className="flex flex-wrap items-center gap-2">{action}</div>}
      </div>
      {hint && <p className="-mt-1.5 mb-3 max-w-[46rem] text-muted">{hint}</p>}
      <BelowHeading>{children}</BelowHeading>
    </section>
  );
}

/** Names and values below each other. */
export function Facts({
  facts,
  className,
}: {
  facts: ReadonlyArray<[string, ReactNode]>;
  className?: string;
}) {
  return (
    <dl className={cx("grid grid-cols-[minmax(72px,max-content)_1fr] gap-x-4 gap-y-1", className)}>
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="max-w-40 text-faint [overflow-wrap:anywhere]">{name}</dt>
          <dd className="min-w-0 [overflow-wrap:anywhere]">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
