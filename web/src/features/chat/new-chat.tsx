import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Hand } from "lucide-react";
import { type ReactNode, useState } from "react";
import { ApiFailure, api } from "@/api/client";
import { keys, modelsQuery } from "@/api/queries";
import type { AttachmentBody, ModelRef } from "@/api/types";
import { Icon } from "@/components/icon";
import { useTitle } from "@/components/page";
import { Composer } from "./composer";
import { ModelPicker } from "./model-picker";

/** Where a chat begins: what stands above is for who does not know yet what to write. */
export function NewChat({
  children,
}: {
  children: (suggest: (text: string) => void) => ReactNode;
}) {
  useTitle("New chat");
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data: models } = useQuery(modelsQuery);
  const [chosen, setChosen] = useState<ModelRef | null>(null);
  const [suggestion, setSuggestion] = useState<{ text: string; id: number } | null>(null);
  const model = chosen ?? models?.default ?? null;
  const begin = async (text: string, attachments: AttachmentBody[]) => {
    const chat = await api.post("/api/v1/chats", { body: model ? { model } : {} });
    const path = { chat: chat.id };
    try {
      await api.post("/api/v1/chats/{chat}/messages", { path, body: { text, attachments } });
    } catch (error) {
      // A chat whose message was refused is empty, and nobody has asked for it.
      if (error instanceof ApiFailure) {
        await api.delete("/api/v1/chats/{chat}", { path }).catch(() => undefined);
      }
      throw error;
    }
    void client.invalidateQueries({ queryKey: keys.chats });
    await navigate({ to: "/chats/$chat", params: { chat: chat.id } });
  };
  return (
    <>
      <div className="thin-scroll min-h-0 flex-1 overflow-y-auto">
        {children((text) => setSuggestion({ text, id: Date.now() }))}
      </div>
      <Composer
        draftKey="new"
        running={false}
        onSend={begin}
        autoFocus
        suggestion={suggestion}
        commands={[
          {
            name: "servers",
            words: "Look at the servers",
            run: () => void navigate({ to: "/servers" }),
          },
          {
            name: "memory",
            words: "Look at what is remembered",
            run: () => void navigate({ to: "/memories" }),
          },
        ]}
        left={
          <span className="inline-flex items-center gap-1.5 px-2 text-muted @max-[34rem]:hidden">
            <Icon of={Hand} /> Asks before changes
          </span>
        }
        right={<ModelPicker value={model} onChange={setChosen} />}
      />
    </>
  );
}
