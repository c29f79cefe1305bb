import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Hand } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { api } from "@/api/client";
import { modelsQuery, openApprovalsQuery } from "@/api/queries";
import type { AttachmentBody, ModelRef } from "@/api/types";
import { Button } from "@/components/button";
import { Icon } from "@/components/icon";
import { ErrorNote, explain } from "@/components/notice";
import { Announce, PageBody, useTitle } from "@/components/page";
import { Stones } from "@/components/progress";
import { Tip } from "@/components/tooltip";
import { copyText } from "@/lib/copy";
import { useShortcut } from "@/lib/keys";
import { useIsWide } from "@/lib/media";
import type { Message, ToolPart } from "@/lib/message";
import { toast } from "@/lib/toasts";
import { count, thousands } from "@/lib/words";
import { LiveMessage } from "./answer";
import { words } from "./answer-parts";
import { ChatBar } from "./chat-bar";
import { Composer } from "./composer";
import { Ledger } from "./ledger";
import { asMessage, placeOf } from "./messages";
import { ModelPicker } from "./model-picker";
import { Queue } from "./queue";
import { Thread, type ThreadHandle } from "./thread";
import { ToolsPanel } from "./tools-panel";
import { type ChatView, useChat } from "./use-chat";
import { useMessages } from "./use-messages";
import { UserMessage } from "./user-message";
import { Versions } from "./versions";

const focusComposer = () =>
  document.querySelector<HTMLTextAreaElement>("textarea[aria-label=Message]")?.focus();

/** A chat: its thread, the composer, and what it may do at its side. */
export function ChatPage({ id }: { id: string }) {
  const chat = useChat(id);
  useTitle(chat.details?.title || "Chat");
  if (chat.error) {
    return (
      <PageBody>
        <ErrorNote
          title="This chat could not be opened."
          error={chat.error}
          fix={{ label: "Try again", run: () => void chat.refresh() }}
        />
      </PageBody>
    );
  }
  return <OpenChat key={id} id={id} chat={chat} />;
}

function OpenChat({ id, chat }: { id: string; chat: ChatView }) {
  const { details, live, running, waiting, gap, refresh } = chat;
  const navigate = useNavigate();
  const wide = useIsWide();
  const [panel, setPanel] = useState<boolean | null>(null);
  const showPanel = panel ?? wide;
  const { data: models } = useQuery(modelsQuery);
  const thread = useRef<ThreadHandle>(null);
  const [sending, setSending] = useState<Message[]>([]);
  const { messages, hasOlder, loadOlder, shift } = useMessages(id, details);
  const stored = useMemo(
    () => messages.map((it) => ({ body: it, message: asMessage(it) })),
    [messages],
  );

  const act = async (run: () => Promise<unknown>) => {
    try {
      await run();
    } catch (error) {
      toast.failed(explain(error).message);
    }
    await refresh();
  };
  const rerun = (message: string, text?: string) =>
    act(() =>
      api.post("/api/v1/chats/{chat}/messages/{message}/rerun", {
        path: { chat: id, message },
        body: text === undefined ? {} : { text },
      }),
    );
  const show = (message: string) =>
    act(() =>
      api.post("/api/v1/chats/{chat}/messages/{message}/show", { path: { chat: id, message } }),
    );
  const stop = () => api.post("/api/v1/chats/{chat}/stop", { path: { chat: id } });
  const resume = () => act(() => api.post("/api/v1/chats/{chat}/resume", { path: { chat: id } }));
  const send = async (text: string, attachments: AttachmentBody[]) => {
    const shown: Message = {
      id: `sending ${Date.now()}`,
      role: "user",
      parts: [{ type: "text", text }],
    };
    if (!running && !waiting) setSending((it) => [...it, shown]);
    requestAnimationFrame(() => thread.current?.toEnd());
    try {
      await api.post("/api/v1/chats/{chat}/messages", {
        path: { chat: id },
        body: { text, attachments },
      });
      await refresh();
    } finally {
      setSending((it) => it.filter((message) => message !== shown));
    }
  };
  const changeModel = (model: ModelRef) =>
    act(() => api.patch("/api/v1/chats/{chat}", { path: { chat: id }, body: { model } }));

  const busy = running || waiting;
  // A run that asks goes on waiting for a while before it is put aside.
  const { data: approvals } = useQuery(openApprovalsQuery);
  const asks = waiting || (running && approvals?.some((it) => it.chat === id) === true);
  const lastAnswer = stored.findLast((it) => it.message.role === "assistant");
  const lastQuestion = stored.findLast((it) => it.message.role === "user");
  useShortcut("copyAnswer", () => {
    if (lastAnswer)
      void copyText(words(lastAnswer.message.parts)).then(
        (done) => done && toast.done("The answer is copied"),
      );
  });
  useShortcut("regenerate", lastAnswer && !busy ? () => void rerun(lastAnswer.message.id) : null);

  const runMessage = details?.run?.message;
  const all = models?.models ?? [];
  const rows = stored.map(({ body, message }, i) => {
    const isLast = i === stored.length - 1;
    const place = placeOf(body);
    const versions = body.siblings.length > 1 && (
      <Versions id={body.id} all={body.siblings} blocked={busy} onShow={(it) => void show(it)} />
    );
    if (message.role === "user") {
      return (
        <Slot key={place}>
          <UserMessage
            message={message}
            versions={versions}
            canEdit={!busy}
            onEdit={(text) => rerun(message.id, text)}
          />
        </Slot>
      );
    }
    const common = {
      chat: id,
      models: all,
      running: busy && message.id === runMessage,
      tookMs: body.ended_at_ms ? body.ended_at_ms - body.created_at_ms : null,
      isLast,
      versions,
      onAgain: () => void rerun(message.id),
      onResume: () => void resume(),
      onEscape: focusComposer,
    };
    return (
      <Slot key={place}>
        <LiveMessage live={live?.id === message.id ? live : null} stored={message} {...common} />
      </Slot>
    );
  });
  // The answer that is not stored yet.
  if (runMessage && busy && !stored.some((it) => it.message.id === runMessage)) {
    const common = {
      chat: id,
      models: all,
      running: true,
      tookMs: null,
      isLast: true,
      onAgain: () => {},
      onResume: () => {},
      onEscape: focusComposer,
    };
    const empty: Message = {
      id: runMessage,
      role: "assistant",
      metadata: details?.model ? { ...details.model } : null,
      parts: [],
    };
    rows.push(
      <Slot key={runMessage}>
        <LiveMessage live={live} stored={empty} {...common} />
      </Slot>,
    );
  }
  for (const it of sending) {
    rows.push(
      <Slot key={it.id}>
        <UserMessage message={it} canEdit={false} sending />
      </Slot>,
    );
  }

  const calls = useMemo(() => callsOf(stored.map((it) => it.message)), [stored]);
  const context = details?.context;
  return (
    <>
      <ChatBar
        id={id}
        title={details?.title ?? ""}
        waiting={asks}
        calls={calls}
        panel={showPanel}
        onPanel={() => setPanel(!showPanel)}
      />
      <Announce now={asks}>
        {asks ? "A decision of yours is needed" : running ? "An answer is being written" : ""}
      </Announce>
      <div
        className={`grid min-h-0 flex-1 ${showPanel && details ? "grid-cols-[minmax(0,1fr)_20rem] 2xl:grid-cols-[minmax(0,1fr)_23rem]" : "grid-cols-[minmax(0,1fr)]"} max-md:grid-cols-[minmax(0,1fr)]`}
      >
        <div className={`flex min-h-0 flex-col ${showPanel && details ? "max-md:hidden" : ""}`}>
          <Thread
            handle={thread}
            items={rows}
            shift={shift}
            older={
              hasOlder && (
                <div className="flex justify-center pb-4">
                  <Button small look="ghost" onClick={loadOlder}>
                    Earlier messages
                  </Button>
                </div>
              )
            }
          />
          {gap && (
            <p role="status" className="mx-auto flex items-center gap-2 pb-2 text-xs text-warning">
              <span className="dot dot-busy" /> The connection is being made again. Nothing is lost
            </p>
          )}
          <Composer
            draftKey={id}
            running={running}
            onSend={send}
            onStop={stop}
            lastMessage={lastQuestion ? words(lastQuestion.message.parts) : ""}
            autoFocus
            above={<Queue chat={id} queued={details?.queued ?? []} waiting={waiting} />}
            commands={[
              { name: "new", words: "Begin a new chat", run: () => void navigate({ to: "/" }) },
              {
                name: "stop",
                words: "Stop the answer",
                run: () => void act(stop),
              },
              {
                name: "again",
                words: "Answer the last message again",
                run: () => lastAnswer && void rerun(lastAnswer.message.id),
              },
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
              <>
                <ToolsPanel chat={id} />
                <Tip text="Tools that nobody has allowed ask before they run">
                  <span className="inline-flex items-center gap-1.5 px-2 text-muted @max-[40rem]:hidden">
                    <Icon of={Hand} /> Asks before changes
                  </span>
                </Tip>
              </>
            }
            right={
              <>
                {context?.max_tokens ? (
                  <Tip
                    text={`The model reads ${count(context.used_tokens, "token")} of ${count(context.max_tokens, "token")}, ${count(context.tools_tokens, "token")} of them for tools`}
                  >
                    <span className="inline-flex h-(--control-sm) items-center gap-2 px-2.5 text-xs whitespace-nowrap text-faint @max-[34rem]:px-1">
                      <Stones
                        label={`Context: ${thousands(context.used_tokens)} of ${thousands(context.max_tokens)} tokens`}
                        used={context.used_tokens / context.max_tokens}
                        apart={context.tools_tokens / context.max_tokens}
                      />
                      <span className="num @max-[34rem]:hidden">
                        {thousands(context.used_tokens)} of {thousands(context.max_tokens)}
                      </span>
                    </span>
                  </Tip>
                ) : null}
                <ModelPicker value={details?.model ?? null} onChange={changeModel} />
              </>
            }
          />
        </div>
        {showPanel && details && (
          <Ledger details={details} calls={calls} className="max-md:border-0" />
        )}
      </div>
    </>
  );
}

/** Messages keep their distance also where others are not in the page. */
function Slot({ children }: { children: React.ReactNode }) {
  return <div className="min-w-0 pb-4">{children}</div>;
}

function callsOf(messages: readonly Message[]): ToolPart[] {
  return messages.flatMap((it) =>
    it.parts.filter((part): part is ToolPart => part.type === "dynamic-tool"),
  );
}
