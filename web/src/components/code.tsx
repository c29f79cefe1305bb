import { Check, Copy } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { IconButton } from "@/components/button";
import { cx } from "@/lib/classes";
import { copyText } from "@/lib/copy";
import { toast } from "@/lib/toasts";

/** Copies a text and says so in its own place. */
export function CopyButton({
  text,
  label = "Copy",
  className,
}: {
  text: string | (() => string);
  label?: string;
  className?: string;
}) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    const copied = await copyText(typeof text === "string" ? text : text());
    if (copied) setDone(true);
    else toast.failed("The browser did not let the page copy. Select the text and copy it by hand");
  };
  return (
    <IconButton
      icon={done ? Check : Copy}
      label={done ? "Copied" : label}
      size="sm"
      className={className}
      onClick={copy}
    />
  );
}

/** A well with a name and a copy button; `children` may be the same text in colours. */
export function CodeWell({
  title,
  text,
  children,
  wrap = false,
  className,
}: {
  title: ReactNode;
  text: string;
  children?: ReactNode;
  wrap?: boolean;
  className?: string;
}) {
  return (
    <figure
      className={cx(
        "min-w-0 overflow-hidden rounded-card border border-border bg-sunken",
        className,
      )}
    >
      <figcaption className="flex h-[34px] items-center gap-2 border-b border-border ps-3 pe-1 text-xs text-faint">
        <span className="min-w-0 flex-1 truncate">{title}</span>
        <CopyButton text={text} label="Copy code" />
      </figcaption>
      <pre
        // It scrolls, so keys have to reach it.
        tabIndex={0}
        className={cx(
          "thin-scroll overflow-x-auto px-3 py-2.5 leading-(--leading-code) -outline-offset-2",
          wrap && "[overflow-wrap:anywhere] whitespace-pre-wrap",
        )}
      >
        <code>{children ?? text}</code>
      </pre>
    </figure>
  );
}

/** One line to copy: a command, an address. */
export function CodeLine({ text, label }: { text: string; label?: string }) {
  return (
    <span className="inline-flex max-w-full min-w-0 items-center gap-1 rounded-control bg-sunken ps-2.5 ring-1 ring-border ring-inset">
      <code className="min-w-0 truncate py-1.5">{text}</code>
      <CopyButton text={text} label={label ?? "Copy"} />
    </span>
  );
}
