import { useQueryClient } from "@tanstack/react-query";
import { MessageCircleQuestionMark } from "lucide-react";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import { Button } from "@/components/button";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { ErrorNote, Notice } from "@/components/notice";
import { OutboundLink } from "@/components/outbound";
import { SchemaFields } from "@/components/schema-form";
import { Quoted, Wall } from "@/components/wall";
import { openable } from "@/lib/hostile";
import { fieldsOf, filled, initialValues, type JsonObject } from "@/lib/schema-form";
import type { Question } from "./answer-parts";
import { useTool } from "./use-tool";

type Action = "accept" | "decline" | "cancel";

const ANSWERED: Record<Action, string> = {
  accept: "You answered.",
  decline: "You declined to answer.",
  cancel: "It was not answered.",
};

/** What a server wants to know in the middle of a call: its words behind the wall, its form below. */
export function Elicitation({
  chat,
  question,
  toolName,
  running,
}: {
  chat: string;
  question: Question;
  toolName: string;
  running: boolean;
}) {
  const client = useQueryClient();
  const tool = useTool(toolName);
  const fields = useMemo(() => fieldsOf(question.schema) ?? [], [question.schema]);
  const [values, setValues] = useState(() => initialValues(fields));
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState<Action | null>(null);
  const [error, setError] = useState<unknown>(null);
  const { value, errors } = filled(fields, values);
  const hasForm = !question.url && fields.length > 0;
  const form = `ask-${question.id}`;

  if (question.action) {
    return <Notice title={`${tool.server} asked something.`}>{ANSWERED[question.action]}</Notice>;
  }
  if (!running)
    return (
      <Notice title={`${tool.server} asked something.`}>It waits for an answer no longer.</Notice>
    );

  const answer = async (action: Action, content?: JsonObject) => {
    setBusy(action);
    setError(null);
    try {
      await api.post("/api/v1/chats/{chat}/elicitations/{elicitation}", {
        path: { chat, elicitation: question.id },
        body: { action, ...(content ? { content } : {}) },
      });
      await client.invalidateQueries({ queryKey: keys.chat(chat) });
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(null);
    }
  };
  const send = () => {
    setTried(true);
    if (Object.keys(errors).length === 0) void answer("accept", question.url ? undefined : value);
  };
  return (
    <section
      aria-label={`${tool.server} asks something`}
      className="min-w-0 overflow-hidden rounded-card border border-[color-mix(in_oklab,var(--warning)_55%,var(--border))] bg-surface ring-[3px] ring-warning/12"
    >
      <header className="flex items-center gap-2.5 px-3.5 pt-3 pb-2.5">
        <Icon of={MessageCircleQuestionMark} className="text-warning" />
        <Heading className="text-md font-semibold">{tool.server} wants to know something</Heading>
      </header>
      <div className="px-3.5 pb-3">
        <Wall label={`What ${tool.server} asks`}>
          <Quoted text={question.message} charactersMax={1500} linesMax={20} />
        </Wall>
      </div>
      {question.url ? (
        <div className="flex flex-col gap-2 border-t border-border px-3.5 py-3">
          <p className="text-muted">
            It wants you to go to an address, and to come back when you are done.
          </p>
          <p>
            {openable(question.url) ? (
              <OutboundLink href={question.url}>{question.url}</OutboundLink>
            ) : (
              <span className="text-danger">The address cannot be opened: {question.url}</span>
            )}
          </p>
        </div>
      ) : (
        hasForm && (
          <form
            id={form}
            // What is wrong is said at the field, also where the browser would say it in its own way.
            noValidate
            className="border-t border-border px-3.5 py-3"
            onSubmit={(event) => {
              event.preventDefault();
              send();
            }}
          >
            <SchemaFields
              fields={fields}
              values={values}
              errors={tried ? errors : {}}
              onChange={(name, it) => setValues({ ...values, [name]: it })}
            />
          </form>
        )
      )}
      {error !== null && (
        <div className="border-t border-border px-3.5 py-3">
          <ErrorNote error={error} />
        </div>
      )}
      <footer className="flex flex-wrap items-center gap-2 border-t border-border px-3.5 py-2.5">
        <Button
          busy={busy === "decline" && "Declining"}
          disabled={busy !== null}
          onClick={() => answer("decline")}
        >
          Decline
        </Button>
        <Button
          look="primary"
          busy={busy === "accept" && "Sending"}
          disabled={busy !== null}
          // Of the form, where there is one, so that Enter in a field sends it as well.
          {...(hasForm ? { type: "submit", form } : { onClick: send })}
        >
          {question.url ? "I have done it" : "Send the answer"}
        </Button>
        <span className="flex-1 text-end text-xs text-faint max-sm:basis-full max-sm:text-start">
          What you send goes to {tool.server}. Give it no password.
        </span>
      </footer>
    </section>
  );
}
