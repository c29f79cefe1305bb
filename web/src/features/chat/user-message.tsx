import { FileText, Pencil } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { CopyButton } from "@/components/code";
import { Textarea } from "@/components/field";
import { SeenText } from "@/components/wall";
import { cut } from "@/lib/hostile";
import { isMac } from "@/lib/keys";
import type { Message } from "@/lib/message";
import { grouped } from "@/lib/words";
import { words } from "./answer-parts";

const SHOWN_MAX = 6000;
const LINES_MAX = 40;

/** What a person wrote, as it was written. */
export function UserMessage({
  message,
  versions,
  canEdit,
  sending = false,
  onEdit,
}: {
  message: Message;
  /** The ways to its other versions. */
  versions?: ReactNode;
  canEdit: boolean;
  sending?: boolean;
  onEdit?: (text: string) => Promise<void>;
}) {
  const text = words(message.parts);
  const [editing, setEditing] = useState(false);
  const [all, setAll] = useState(false);
  const { shown, rest } = all ? { shown: text, rest: 0 } : cut(text, SHOWN_MAX, LINES_MAX);
  if (editing && onEdit) {
    return (
      <Edit
        text={text}
        onCancel={() => setEditing(false)}
        onDone={async (it) => {
          await onEdit(it);
          setEditing(false);
        }}
      />
    );
  }
  return (
    <div className="group flex min-w-0 flex-col items-end">
      <h2 className="sr-only">You wrote</h2>
      <div
        dir="auto"
        className={`max-w-[84%] rounded-[14px_14px_4px_14px] bg-press px-3.5 py-[9px] text-md [overflow-wrap:anywhere] max-md:max-w-[92%] ${sending ? "opacity-60" : ""}`}
      >
        <span className="whitespace-pre-wrap">
          <SeenText text={shown} />
        </span>
        {rest > 0 && (
          <>
            {"… "}
            <button type="button" className="link text-sm" onClick={() => setAll(true)}>
              Show all {grouped(text.length)} characters
            </button>
          </>
        )}
        <Files message={message} />
      </div>
      <div className="-mb-3 flex min-h-7 items-center gap-0.5">
        <span className="flex gap-0.5 opacity-0 transition-opacity duration-(--duration-fast) group-focus-within:opacity-100 group-hover:opacity-100 hover-none:opacity-100">
          {text && <CopyButton text={text} label="Copy the message" />}
          {canEdit && onEdit && (
            <IconButton
              icon={Pencil}
              size="sm"
              label="Edit and ask again"
              onClick={() => setEditing(true)}
            />
          )}
        </span>
        {versions}
      </div>
    </div>
  );
}

function Files({ message }: { message: Message }) {
  const files = message.parts.filter((it) => it.type === "file");
  if (!files.length) return null;
  return (
    <div className="mt-1.5 flex flex-wrap gap-1.5">
      {files.map((it, i) =>
        "mediaType" in it ? (
          <Badge key={`${i} ${it.filename}`} icon={FileText} className="bg-surface">
            {it.filename ?? it.mediaType}
          </Badge>
        ) : null,
      )}
    </div>
  );
}

function Edit({
  text,
  onCancel,
  onDone,
}: {
  text: string;
  onCancel: () => void;
  onDone: (text: string) => Promise<void>;
}) {
  const [draft, setDraft] = useState(text);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    if (!draft.trim() || busy) return;
    setBusy(true);
    try {
      await onDone(draft.trim());
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Textarea
        aria-label="Your message"
        autoFocus
        rows={Math.min(14, Math.max(3, draft.split("\n").length + 1))}
        className="text-md leading-(--leading-md)"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            event.preventDefault();
            onCancel();
          }
          if (event.key === "Enter" && (isMac() ? event.metaKey : event.ctrlKey)) {
            event.preventDefault();
            void send();
          }
        }}
      />
      <div className="flex flex-wrap items-center justify-end gap-2">
        <span className="flex-1 text-xs text-faint">
          The answers below are put aside, and a new one is given.
        </span>
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" look="primary" busy={busy && "Sending"} disabled={!draft.trim()}>
          Ask again
        </Button>
      </div>
    </form>
  );
}
