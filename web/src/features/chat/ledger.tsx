import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Brain, Check, Cloud, Globe, Hand, Laptop } from "lucide-react";
import type { ReactNode } from "react";
import { api } from "@/api/client";
import { grantsQuery, keys, memoriesQuery, modelsQuery } from "@/api/queries";
import type { ChatDetailsBody, Grant, Model } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Icon } from "@/components/icon";
import { explain } from "@/components/notice";
import { Tile } from "@/components/tile";
import { hostName, Reach } from "@/components/tool-card";
import { cx } from "@/lib/classes";
import type { ToolPart } from "@/lib/message";
import { toast } from "@/lib/toasts";
import { splitName } from "@/lib/tool-words";
import { count, date, humanName, list } from "@/lib/words";
import { useTool } from "./use-tool";

/** In this chat: who answers, who acts, what leaves this machine, what was allowed. */
export function Ledger({
  details,
  calls,
  className,
}: {
  details: ChatDetailsBody;
  calls: readonly ToolPart[];
  className: string;
}) {
  const { data: models } = useQuery(modelsQuery);
  const { data: memories } = useQuery(memoriesQuery);
  const { data: grants } = useQuery(grantsQuery);
  const model = models?.models.find(
    (it) => it.provider === details.model?.provider && it.name === details.model.model,
  );
  const servers = [...new Set(calls.map((it) => splitName(it.toolName)[0]).filter(Boolean))];
  const mine =
    grants?.filter(
      (it) =>
        it.chat === details.id || (it.scope === "everywhere" && servers.includes(it.server ?? "")),
    ) ?? [];
  return (
    <aside
      aria-label="In this chat"
      className={cx("thin-scroll overflow-y-auto border-s border-border px-5 pt-1 pb-6", className)}
    >
      <Part title="Who answers">
        <Answerer model={model} name={details.model?.model ?? null} />
      </Part>
      <Part title="Who acts">
        {servers.map((slug) => (
          <Actor key={slug} calls={calls.filter((it) => splitName(it.toolName)[0] === slug)} />
        ))}
        {!servers.length && (
          <Line
            lead={<Icon of={Hand} className="text-faint" />}
            words="Nobody yet"
            note="Servers that the model uses are listed here."
          />
        )}
      </Part>
      <Part title="What every chat knows">
        <Line
          lead={<Icon of={Brain} className="text-faint" />}
          words={
            <Link to="/memories" className="link">
              {count(memories?.length ?? 0, "memory", "memories")}
            </Link>
          }
          note="Offered to the model as data, at the beginning."
        />
      </Part>
      <Part title="What you allowed">
        {mine.map((it) => (
          <Allowed key={it.id} grant={it} />
        ))}
        {!mine.length && (
          <Line
            lead={<Icon of={Check} className="text-faint" />}
            words="Nothing that lasts"
            note="What you allow for longer than once is listed here."
          />
        )}
      </Part>
    </aside>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2 className="mt-5 mb-2 text-xs font-medium text-faint">{title}</h2>
      <ul className="divide-y divide-border">{children}</ul>
    </section>
  );
}

function Line({
  lead,
  words,
  end,
  note,
}: {
  lead: ReactNode;
  words: ReactNode;
  end?: ReactNode;
  note?: ReactNode;
}) {
  return (
    <li className="grid grid-cols-[22px_minmax(0,1fr)_auto] items-center gap-x-2.5 py-2">
      <span className="grid place-items-center">{lead}</span>
      <span className="min-w-0 truncate font-medium">{words}</span>
      <span className="text-xs text-faint">{end}</span>
      {note && <p className="col-[2/-1] text-xs text-faint">{note}</p>}
    </li>
  );
}

function Answerer({ model, name }: { model: Model | undefined; name: string | null }) {
  if (!model)
    return (
      <Line
        lead={<Icon of={Cloud} className="text-faint" />}
        words={name ?? "No model is chosen"}
      />
    );
  return (
    <Line
      lead={<Icon of={model.local ? Laptop : Cloud} className="text-faint" />}
      words={model.title}
      end={<Badge>{model.local ? "This machine" : "Elsewhere"}</Badge>}
      note={
        model.local
          ? "Nothing of this chat goes to a model provider."
          : "The messages of this chat, and what tools answer, go to this provider."
      }
    />
  );
}

function Actor({ calls }: { calls: readonly ToolPart[] }) {
  const tool = useTool(calls[0]?.toolName ?? "");
  const waiting = calls.filter((it) => it.state === "approval-requested").length;
  const made = calls.length - waiting;
  const folders = tool.details?.folders ?? [];
  const secrets = tool.details?.secrets ?? [];
  const facts = [
    made > 0 && count(made, "call"),
    waiting > 0 && `${waiting} ${waiting > 1 ? "wait" : "waits"} for you`,
  ].filter(Boolean);
  return (
    <Line
      lead={<Tile name={tool.server} size="sm" />}
      words={
        <Link
          to="/servers/$server"
          params={{ server: tool.slug }}
          className="text-text no-underline hover:underline"
        >
          {tool.server}
        </Link>
      }
      end={<Reach hosts={tool.hosts} />}
      note={
        <>
          {facts.join(", ")}.{folders.length > 0 && ` Reads ${list(folders.map((it) => it.host))}.`}
          {secrets.length > 0 && ` Was given ${list(secrets)}.`}
          {tool.hosts && tool.hosts.length > 0 && (
            <span className="mt-0.5 flex items-center gap-1">
              <Icon of={Globe} size="xs" /> {list(tool.hosts.map(hostName))}
            </span>
          )}
        </>
      }
    />
  );
}

const SCOPES = {
  once: "Once",
  chat: "In this chat",
  client: "For an app",
  everywhere: "Always",
} as const;

function Allowed({ grant }: { grant: Grant }) {
  const client = useQueryClient();
  const revoke = async () => {
    try {
      await api.delete("/api/v1/grants/{grant}", { path: { grant: grant.id } });
      await client.invalidateQueries({ queryKey: keys.grants });
    } catch (error) {
      toast.failed(explain(error).message);
    }
  };
  return (
    <Line
      lead={<Icon of={Check} className="text-faint" />}
      words={humanName(grant.tool)}
      end={
        <Button
          small
          look="ghost"
          className="-me-2.5"
          onClick={revoke}
          aria-label={`Revoke ${humanName(grant.tool)}`}
        >
          Revoke
        </Button>
      }
      note={`${SCOPES[grant.scope]}, since ${date(grant.created_at_ms, Date.now())}`}
    />
  );
}
