import { CircleCheck, Info, type LucideIcon, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "@/components/button";
import { Icon } from "@/components/icon";
import { Said } from "@/components/said";
import { Quoted } from "@/components/wall";
import { cx } from "@/lib/classes";
import { sentence } from "@/lib/words";

type Tone = "plain" | "warning" | "danger" | "success";

const TONES: Record<Tone, [string, string, LucideIcon]> = {
  plain: ["bg-press", "text-muted", Info],
  warning: ["bg-warning-soft", "text-warning", TriangleAlert],
  danger: ["bg-danger-soft", "text-danger", TriangleAlert],
  success: ["bg-success-soft", "text-success", CircleCheck],
};

/** Something to know, at the place where it matters. */
export function Notice({
  tone = "plain",
  title,
  children,
  actions,
  live = false,
  className,
}: {
  tone?: Tone;
  title?: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  /** Is read out when it comes. */
  live?: boolean;
  className?: string;
}) {
  const [ground, ink, icon] = TONES[tone];
  return (
    <div
      role={live ? (tone === "danger" ? "alert" : "status") : undefined}
      className={cx("flex min-w-0 gap-2.5 rounded-control px-3 py-2.5", ground, className)}
    >
      <Icon of={icon} className={cx("mt-0.5", ink)} />
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        {title && <b>{title}</b>}
        {children && <div>{children}</div>}
        {actions && <div className="mt-2 flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
    </div>
  );
}

/** What an error is to people: a message, perhaps a hint, perhaps the cause's own words. */
export interface Explained {
  message: string;
  hint?: string | null | undefined;
  details?: string | null | undefined;
}

/** Returns the words of an error; those of a program's mistake are its own. */
export function explain(error: unknown): Explained {
  if (error instanceof Error) {
    const { hint, details } = error as Error & Partial<Explained>;
    return { message: sentence(error.message), hint: hint && sentence(hint), details };
  }
  return { message: "Something failed without saying why" };
}

/** What failed, why, and the one thing that mends it, at the place of failure. */
export function ErrorNote({
  error,
  title,
  fix,
  className,
}: {
  error: unknown;
  /** What failed, where the error itself does not say. */
  title?: string;
  fix?: { label: string; run: () => void; busy?: boolean } | undefined;
  className?: string;
}) {
  const [open, setOpen] = useState(false);
  const { message, hint, details } = explain(error);
  return (
    <Notice
      tone="danger"
      live
      className={cx(className)}
      title={title ?? <Said text={ended(message)} />}
      actions={
        (fix || details) && (
          <>
            {fix && (
              <Button small busy={fix.busy && fix.label} onClick={fix.run}>
                {fix.label}
              </Button>
            )}
            {details && (
              <Button
                small
                look="ghost"
                aria-expanded={open}
                className="first:-ms-2.5"
                onClick={() => setOpen(!open)}
              >
                Details
              </Button>
            )}
          </>
        )
      }
    >
      {title && (
        <p>
          <Said text={ended(message)} />
        </p>
      )}
      {hint && (
        <p>
          <Said text={ended(hint)} />
        </p>
      )}
      {open && details && (
        <div className="mt-2">
          <Quoted text={details} mono />
        </div>
      )}
    </Notice>
  );
}

function ended(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}
