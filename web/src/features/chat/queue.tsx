import { useQueryClient } from "@tanstack/react-query";
import { Clock, X } from "lucide-react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { QueuedBody } from "@/api/types";
import { IconButton } from "@/components/button";
import { Icon } from "@/components/icon";
import { explain } from "@/components/notice";
import { toast } from "@/lib/toasts";

/** Messages that wait for the end of the answer; they lie on the composer. */
export function Queue({
  chat,
  queued,
  waiting,
}: {
  chat: string;
  queued: readonly QueuedBody[];
  waiting: boolean;
}) {
  const client = useQueryClient();
  if (!queued.length) return null;
  const remove = async (message: string) => {
    try {
      await api.delete("/api/v1/chats/{chat}/queue/{message}", { path: { chat, message } });
    } catch (error) {
      toast.failed(explain(error).message);
    }
    await client.invalidateQueries({ queryKey: keys.chat(chat) });
  };
  return (
    <ul
      aria-label="Messages that wait"
      className="mx-3.5 overflow-hidden rounded-t-card border border-b-0 border-border bg-sunken"
    >
      {queued.map((it) => (
        <li
          key={it.id}
          className="flex min-h-9 items-center gap-2 border-border ps-3 pe-1.5 [&+&]:border-t"
        >
          <Icon of={Clock} size="sm" className="text-faint" />
          <span className="min-w-0 flex-1 truncate" dir="auto">
            {it.text}
          </span>
          <span className="text-xs whitespace-nowrap text-faint max-md:hidden">
            {waiting ? "Sent when you have decided" : "Sent when this answer ends"}
          </span>
          <IconButton icon={X} size="sm" label="Do not send it" onClick={() => remove(it.id)} />
        </li>
      ))}
    </ul>
  );
}
