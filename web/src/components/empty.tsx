import type { ReactNode } from "react";
import { Heading } from "@/components/heading";

/** What will be here, in a sentence, and the one action. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="grid justify-items-start gap-1 p-6">
      <Heading className="font-semibold">{title}</Heading>
      {children && <div className="max-w-[40rem] text-muted">{children}</div>}
      {action && <div className="mt-2.5 flex flex-wrap gap-2">{action}</div>}
    </div>
  );
}
