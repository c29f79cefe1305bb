import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { approvalQuery, serverQuery, serversQuery } from "@/api/queries";
import type { Approval } from "@/api/types";
import { ApprovalCard } from "@/components/approval-card";
import { Arguments } from "@/components/arguments";
import { Card, Cell, Facts } from "@/components/card";
import { Heading } from "@/components/heading";
import { Late } from "@/components/loaded";
import { ErrorNote, Notice } from "@/components/notice";
import { Said } from "@/components/said";
import { Quoted } from "@/components/wall";
import { useNow } from "@/lib/now";
import type { JsonObject } from "@/lib/schema-form";
import { toolClaims, toolTitle } from "@/lib/tool-words";
import { ago, moment, sentence } from "@/lib/words";
import { endWords, serverName } from "./approval-words";
import { useDecide } from "./use-decide";

/** One request: the question while it is open, and what became of it after. */
export function Request({ id, takesFocus = false }: { id: string; takesFocus?: boolean }) {
  const { data: approval, error, isFetching, refetch } = useQuery(approvalQuery(id));
  if (approval) {
    return approval.state === "open" ? (
      <Open approval={approval} takesFocus={takesFocus} />
    ) : (
      <Closed approval={approval} />
    );
  }
  if (error) {
    return (
      <ErrorNote
        title="What is asked could not be loaded."
        error={error}
        fix={{ label: "Try again", busy: isFetching, run: () => void refetch() }}
      />
    );
  }
  return (
    <Late>
      <div className="skeleton h-52 rounded-card" role="status" aria-label="Loading" />
    </Late>
  );
}

function Open({ approval, takesFocus }: { approval: Approval; takesFocus: boolean }) {
  const decide = useDecide(approval);
  const { data: servers } = useQuery(serversQuery);
  const server = servers?.find((it) => it.slug === approval.server);
  // The built-in server is in no list, and has no sandbox to tell of.
  const { data: details } = useQuery({
    ...serverQuery(approval.server),
    enabled: server !== undefined,
  });
  const hosts = details
    ? details.source.kind === "remote"
      ? [URL.canParse(details.source.url) ? new URL(details.source.url).host : details.source.url]
      : details.egress
    : null;
  return (
    <ApprovalCard
      server={server?.title ?? serverName(approval.server)}
      tool={toolTitle(approval.definition, approval.tool)}
      toolName={approval.tool}
      args={approval.arguments as JsonObject}
      hosts={hosts}
      secrets={details ? [...details.secrets, ...details.headers] : []}
      folders={(details?.folders ?? []).map((it) => ({
        path: it.host,
        write: it.access === "read_write",
      }))}
      claims={toolClaims(approval.definition)}
      scopes={approval.scopes}
      asker={<Asker approval={approval} />}
      takesFocus={takesFocus}
      // Others than a chat have to be answered as they asked.
      editable={Boolean(approval.chat)}
      onDecide={decide}
    />
  );
}

/** Who asks, since when, why, and how long it can be answered. */
function Asker({ approval }: { approval: Approval }) {
  const now = useNow(10_000);
  const { chat, client, why, created_at_ms: since, expires_at_ms: until } = approval;
  return (
    <>
      {chat ? (
        <>
          A model asks in a{" "}
          <Link to="/chats/$chat" params={{ chat }} className="link">
            chat
          </Link>
        </>
      ) : (
        <b className="font-medium text-text">{client ?? "A program"}</b>
      )}
      {!chat && " asks"}, {ago(since, now)}, because <Said text={why} />.
      {until ? ` It can be answered until ${moment(until).split(", ").at(-1)?.slice(0, 5)}.` : ""}
    </>
  );
}

function Closed({ approval }: { approval: Approval }) {
  return (
    <>
      {approval.state === "stale" ? (
        <Notice
          tone="warning"
          live
          title="The tool has changed since it was asked for."
          actions={
            <Link
              to="/servers/$server"
              params={{ server: approval.server }}
              search={{ tab: "tools", tool: approval.tool }}
              className="link"
            >
              Look at what has changed
            </Link>
          }
        >
          The call was not made. Whoever asked can ask again once you have looked at the tool.
        </Notice>
      ) : (
        <Notice
          live
          tone={approval.state === "approved" ? "success" : "plain"}
          title={`${endWords(approval)}.`}
        >
          {afterwards(approval)}
        </Notice>
      )}
      <Card className="mt-4">
        <Cell>
          <Facts facts={facts(approval)} />
        </Cell>
        <Cell className="bg-sunken">
          <Heading className="mb-1.5 text-xs text-faint">It was asked with</Heading>
          <Arguments value={approval.arguments as JsonObject} />
        </Cell>
        {approval.edited_arguments && (
          <Cell className="bg-sunken">
            <Heading className="mb-1.5 text-xs text-faint">You allowed it with</Heading>
            <Arguments value={approval.edited_arguments as JsonObject} />
          </Cell>
        )}
      </Card>
    </>
  );
}

function afterwards({ state, chat }: Approval): string {
  switch (state) {
    case "approved":
      return chat
        ? "The chat goes on by itself."
        : "A program that still waits gets its answer; one that gave up can ask again with equal arguments.";
    case "denied":
      return "The call was not made, and who asked was told.";
    case "expired":
      return "The call was not made. Who asked can ask again.";
    default:
      return "There is nothing to answer any more.";
  }
}

function facts(approval: Approval): Array<[string, React.ReactNode]> {
  const { server, tool, client, chat, why, reason, decided_by: by, decided_at_ms: at } = approval;
  const all: Array<[string, React.ReactNode]> = [
    ["Tool", <code key="t">{tool}</code>],
    [
      "Server",
      <Link key="s" to="/servers/$server" params={{ server }} className="link">
        {server}
      </Link>,
    ],
    [
      "Asked by",
      chat ? (
        <Link key="c" to="/chats/$chat" params={{ chat }} className="link">
          A model in a chat
        </Link>
      ) : (
        (client ?? "A program")
      ),
    ],
    ["Asked", moment(approval.created_at_ms)],
    ["Why", <Said key="w" text={sentence(why)} />],
  ];
  if (at) all.push([by ? "Decided" : "Ended", by ? `${moment(at)}, by ${by}` : moment(at)]);
  if (reason) all.push(["Because", <Quoted key="r" text={reason} />]);
  return all;
}
