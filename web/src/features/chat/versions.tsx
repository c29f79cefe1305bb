import { ChevronLeft, ChevronRight } from "lucide-react";
import { IconButton } from "@/components/button";

/** Which version of a message is shown, and the ways to those beside it. */
export function Versions({
  id,
  all,
  blocked,
  onShow,
}: {
  id: string;
  /** In the order in which they were made. */
  all: readonly string[];
  /** An answer is being written: another version cannot be shown now. */
  blocked: boolean;
  onShow: (id: string) => void;
}) {
  const at = all.indexOf(id);
  const step = (by: -1 | 1) => {
    const other = blocked ? undefined : all[at + by];
    return {
      size: "sm" as const,
      // It keeps the focus where it leads nowhere, so it is not `disabled`.
      "aria-disabled": other === undefined,
      className: "aria-disabled:opacity-45 aria-disabled:hover:bg-transparent",
      onClick: () => other !== undefined && onShow(other),
    };
  };
  return (
    <span role="group" aria-label="Versions of this message" className="inline-flex items-center">
      <IconButton icon={ChevronLeft} label="Show the version before" {...step(-1)} />
      <span role="status" className="num text-xs text-faint">
        <span className="sr-only">{`Version ${at + 1} of ${all.length}`}</span>
        <span aria-hidden="true">
          {at + 1} / {all.length}
        </span>
      </span>
      <IconButton icon={ChevronRight} label="Show the version after" {...step(1)} />
    </span>
  );
}
