import { useQueryClient } from "@tanstack/react-query";
import { PanelRight, Pencil, Shield } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { explain } from "@/components/notice";
import { Topbar } from "@/components/page";
import type { ToolPart } from "@/lib/message";
import { toast } from "@/lib/toasts";
import { splitName } from "@/lib/tool-words";
import { count } from "@/lib/words";

/** The bar of a chat: its title, whether it waits for somebody, and the way to what it may do. */
export function ChatBar({
  id,
  title,
  waiting,
  calls,
  panel,
  onPanel,
}: {
  id: string;
  title: string;
  waiting: boolean;
  calls: readonly ToolPart[];
  panel: boolean;
  onPanel: () => void;
}) {
  const client = useQueryClient();
  const [renaming, setRenaming] = useState(false);
  const servers = new Set(calls.map((it) => splitName(it.toolName)[0]).filter(Boolean)).size;
  const rename = async (next: string) => {
    setRenaming(false);
    if (!next || next === title) return;
    try {
      await api.patch("/api/v1/chats/{chat}", { path: { chat: id }, body: { title: next } });
      await client.invalidateQueries({ queryKey: keys.chat(id) });
      await client.invalidateQueries({ queryKey: keys.chats });
    } catch (error) {
      toast.failed(explain(error).message);
    }
  };
  return (
    <Topbar>
      {renaming ? (
        <input
          aria-label="Title of the chat"
          // biome-ignore lint/a11y/noAutofocus: it was asked for
          autoFocus
          defaultValue={title}
          maxLength={200}
          className="h-8 min-w-0 flex-1 rounded-control bg-raised px-2 outline-2 -outline-offset-1 outline-focus max-md:text-base"
          onFocus={(event) => event.target.select()}
          onBlur={(event) => void rename(event.target.value.trim())}
          onKeyDown={(event) => {
            if (event.key === "Enter") void rename(event.currentTarget.value.trim());
            if (event.key === "Escape") {
              event.stopPropagation();
              setRenaming(false);
            }
          }}
        />
      ) : (
        <>
          <h1 className="min-w-0 truncate text-sm font-semibold" dir="auto">
            {title || "New chat"}
          </h1>
          <IconButton
            icon={Pencil}
            size="sm"
            label="Rename the chat"
            className="max-md:hidden"
            onClick={() => setRenaming(true)}
          />
        </>
      )}
      {waiting && (
        <Badge tone="warning" className="max-sm:hidden">
          Waiting for you
        </Badge>
      )}
      <span className="flex-1" />
      {servers > 0 && (
        <Button small look="ghost" icon={Shield} className="max-lg:hidden" onClick={onPanel}>
          {count(servers, "server")}
        </Button>
      )}
      <IconButton
        icon={PanelRight}
        label={panel ? "Hide what this chat may do" : "What this chat may do"}
        aria-pressed={panel}
        onClick={onPanel}
      />
    </Topbar>
  );
}
