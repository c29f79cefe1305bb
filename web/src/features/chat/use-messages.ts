import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "@/api/client";
import type { ChatDetailsBody, MessageBody } from "@/api/types";
import { explain } from "@/components/notice";
import { toast } from "@/lib/toasts";
import { joined } from "./messages";

const PAGE = 100;

/** The messages of a chat: the last ones, and those before them that were asked for. */
export function useMessages(id: string, details: ChatDetailsBody | undefined) {
  const [known, setKnown] = useState<readonly MessageBody[]>([]);
  const [shift, setShift] = useState(false);
  const loading = useRef(false);
  const last = details?.messages;
  const messages = useMemo(() => joined(known, last ?? []), [known, last]);
  useEffect(() => {
    // What leaves the program's last page stays here.
    if (last) setKnown((it) => joined(it, last));
  }, [last]);
  useEffect(() => {
    if (shift) setShift(false);
  }, [shift]);
  const [first] = messages;
  const loadOlder = async () => {
    if (!first || loading.current) return;
    loading.current = true;
    try {
      const { messages: older } = await api.get("/api/v1/chats/{chat}/messages", {
        path: { chat: id },
        query: { before: first.id, limit: PAGE },
      });
      setShift(true);
      setKnown((it) => joined(older, it));
    } catch (error) {
      toast.failed(explain(error).message);
    } finally {
      loading.current = false;
    }
  };
  return {
    messages,
    hasOlder: Boolean(first?.parent),
    shift,
    loadOlder: () => void loadOlder(),
  };
}
