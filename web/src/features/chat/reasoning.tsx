import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { Icon } from "@/components/icon";
import { Markdown } from "@/components/markdown";
import { cx } from "@/lib/classes";
import { count } from "@/lib/words";

/** What a model thought before it answered; folded, since it is not the answer. */
export function Reasoning({ text, streaming }: { text: string; streaming: boolean }) {
  const [open, setOpen] = useState(false);
  if (!text.trim() && !streaming) return null;
  const words = text.split(/\s+/).filter(Boolean).length;
  return (
    <div className="min-w-0">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="-ms-1.5 inline-flex min-h-7 items-center gap-1.5 rounded-control px-1.5 text-faint hover:bg-hover hover:text-text max-md:min-h-9"
      >
        <Icon
          of={ChevronRight}
          size="sm"
          className={cx("transition-[rotate] duration-(--duration-base)", open && "rotate-90")}
        />
        {streaming ? "Thinking" : "Thought"}
        <span className="num text-xs">{count(words, "word")}</span>
      </button>
      {open && (
        <div className="mt-1 border-s-2 border-border ps-3.5 text-muted [&_.prose]:text-sm [&_.prose]:leading-(--leading-sm)">
          <Markdown text={text} streaming={streaming} />
        </div>
      )}
    </div>
  );
}
