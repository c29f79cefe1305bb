import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Ellipsis, Pencil, Trash2 } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { api } from "@/api/client";
import { chatsQuery, keys } from "@/api/queries";
import type { ChatBody, ChatStatus } from "@/api/types";
import { IconButton } from "@/components/button";
import { Confirm } from "@/components/dialog";
import { Menu, MenuItem, MenuLine } from "@/components/menu";
import { ErrorNote, explain } from "@/components/notice";
import { Dot } from "@/components/status";
import { byDay } from "@/lib/chat-groups";
import { cx } from "@/lib/classes";
import { useNow } from "@/lib/now";
import { toast } from "@/lib/toasts";

const STATUS: Record<
  ChatStatus,
  { shape: "busy" | "wait" | "fail"; word: string; ink: string } | null
> = {
  idle: null,
  running: { shape: "busy", word: "Writing", ink: "text-faint" },
  waiting: { shape: "wait", word: "Asks you", ink: "font-medium text-warning" },
};

type Item = { kind: "title"; title: string } | { kind: "chat"; chat: ChatBody };

/** The chats, newest first, by their days. */
export function ChatList({
  className,
  rowClass,
  onGo,
}: {
  className: string;
  rowClass: string;
  onGo: () => void;
}) {
  const query = useInfiniteQuery(chatsQuery(""));
  const now = useNow(60_000);
  const scroller = useRef<HTMLDivElement>(null);
  const [removing, setRemoving] = useState<ChatBody | null>(null);
  const items = useMemo<Item[]>(() => {
    const chats = query.data?.pages.flatMap((it) => it.chats) ?? [];
    return byDay(chats, now).flatMap(({ title, items }) => [
      { kind: "title" as const, title },
      ...items.map((chat) => ({ kind: "chat" as const, chat })),
    ]);
  }, [query.data, now]);

  if (query.isError && !query.data) {
    return (
      <div className={className}>
        <ErrorNote error={query.error} fix={{ label: "Try again", run: () => query.refetch() }} />
      </div>
    );
  }
  if (query.data && items.length === 0) {
    return (
      <div className={className}>
        <p className="px-2 py-3 text-xs text-faint">
          No chats yet. The ones you start are listed here, newest first.
        </p>
      </div>
    );
  }
  const more = () => {
    if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
  };
  return (
    <div
      ref={scroller}
      className={className}
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        if (scrollHeight - scrollTop - clientHeight < 400) more();
      }}
    >
      <Virtualizer scrollRef={scroller} bufferSize={400}>
        {items.map((it) =>
          it.kind === "title" ? (
            <h2
              key={`title ${it.title}`}
              className="flex h-9 items-end px-2 pb-1.5 text-xs leading-none font-medium text-faint"
            >
              {it.title}
            </h2>
          ) : (
            <ChatRow
              key={it.chat.id}
              chat={it.chat}
              rowClass={rowClass}
              onGo={onGo}
              onRemove={() => setRemoving(it.chat)}
            />
          ),
        )}
      </Virtualizer>
      <RemoveChat chat={removing} onClose={() => setRemoving(null)} />
    </div>
  );
}

function ChatRow({
  chat,
  rowClass,
  onGo,
  onRemove,
}: {
  chat: ChatBody;
  rowClass: string;
  onGo: () => void;
  onRemove: () => void;
}) {
  const client = useQueryClient();
  const [renaming, setRenaming] = useState(false);
  const status = STATUS[chat.status];
  const change = async (body: { title?: string }) => {
    try {
      await api.patch("/api/v1/chats/{chat}", { path: { chat: chat.id }, body });
      await client.invalidateQueries({ queryKey: keys.chats });
      await client.invalidateQueries({ queryKey: keys.chat(chat.id) });
    } catch (error) {
      toast.failed(explain(error).message);
    }
  };
  if (renaming) {
    return (
      <Rename
        title={chat.title}
        onDone={(title) => {
          setRenaming(false);
          if (title && title !== chat.title) void change({ title });
        }}
      />
    );
  }
  return (
    <div className="group relative">
      <Link
        to="/chats/$chat"
        params={{ chat: chat.id }}
        className={cx(rowClass, "pe-8 md:pe-2 md:group-focus-within:pe-8 md:group-hover:pe-8")}
        onClick={onGo}
        onKeyDown={(event) => {
          if (event.key === "F2") setRenaming(true);
          if (event.key === "Delete") onRemove();
        }}
      >
        <span className="min-w-0 flex-1 truncate" dir="auto">
          {chat.title || "New chat"}
        </span>
        {status && (
          <span
            className={cx(
              "inline-flex flex-none items-center gap-1.5 text-xs font-normal",
              status.ink,
            )}
          >
            <Dot shape={status.shape} />
            {status.word}
          </span>
        )}
      </Link>
      <span className="absolute inset-y-0 end-0.5 flex items-center opacity-100 md:opacity-0 md:group-focus-within:opacity-100 md:group-hover:opacity-100 has-data-[state=open]:opacity-100">
        <Menu
          align="start"
          trigger={
            <IconButton
              icon={Ellipsis}
              label={`More for ${chat.title || "New chat"}`}
              tip={false}
              className="size-6 max-md:size-9"
            />
          }
        >
          <MenuItem icon={Pencil} keys="F2" onSelect={() => setRenaming(true)}>
            Rename
          </MenuItem>
          <MenuLine />
          <MenuItem icon={Trash2} danger onSelect={onRemove}>
            Delete…
          </MenuItem>
        </Menu>
      </span>
    </div>
  );
}

function Rename({ title, onDone }: { title: string; onDone: (title: string | null) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  return (
    <input
      ref={field}
      aria-label="Title of the chat"
      defaultValue={title}
      maxLength={200}
      className="h-[30px] w-full rounded-control border border-transparent bg-raised px-2 outline-2 -outline-offset-1 outline-focus max-md:h-10 max-md:text-base"
      onBlur={(event) => onDone(event.target.value.trim())}
      onKeyDown={(event) => {
        if (event.key === "Enter") onDone(event.currentTarget.value.trim());
        if (event.key === "Escape") {
          event.stopPropagation();
          onDone(null);
        }
      }}
    />
  );
}

function RemoveChat({ chat, onClose }: { chat: ChatBody | null; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { chat: open } = useParams({ strict: false });
  return (
    <Confirm
      open={chat !== null}
      onOpenChange={(next) => !next && onClose()}
      title={`Delete “${chat?.title || "New chat"}”?`}
      lost="Its messages and the permissions that you gave for it are deleted. What tools have changed stays changed, and so does the audit."
      action="Delete the chat"
      onConfirm={async () => {
        if (!chat) return;
        await api.delete("/api/v1/chats/{chat}", { path: { chat: chat.id } });
        if (open === chat.id) await navigate({ to: "/" });
        await client.invalidateQueries({ queryKey: keys.chats });
      }}
    />
  );
}
