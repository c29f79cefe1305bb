import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { auditOnceQuery, chatsQuery } from "@/api/queries";
import type { AuditEvent, ServerDetails } from "@/api/types";
import { useNow } from "@/lib/now";
import { ago } from "@/lib/words";

const LOOK_MS = 30_000;

/** When the server was last called, and by whom. */
export function LastCall({ server }: { server: ServerDetails }) {
  const now = useNow(LOOK_MS);
  const { data: calls } = useQuery({
    ...auditOnceQuery({
      kind: "tool.call",
      server: server.slug,
      decision: "allowed",
      limit: 1,
    }),
    refetchInterval: LOOK_MS,
  });
  const call = calls?.[0];
  if (!call) return null;
  return (
    <p className="min-w-0 truncate text-xs text-faint max-md:hidden">
      Last call {ago(call.at_ms, now)}, by <Caller call={call} />
    </p>
  );
}

function Caller({ call }: { call: AuditEvent }) {
  const { data } = useInfiniteQuery(chatsQuery(""));
  if (!call.chat) return <bdi>{call.client ?? call.principal ?? "Archestra"}</bdi>;
  const chat = data?.pages.flatMap((it) => it.chats).find((it) => it.id === call.chat);
  return (
    <>
      {chat ? "the chat " : ""}
      <Link to="/chats/$chat" params={{ chat: call.chat }} className="link" dir="auto">
        {chat ? `“${chat.title || "New chat"}”` : "a chat"}
      </Link>
    </>
  );
}
