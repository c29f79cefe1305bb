import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { keys, serverToolsQuery } from "@/api/queries";
import type { Effect, ServerDetails, ToolReview } from "@/api/types";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { Empty } from "@/components/empty";
import { SearchInput } from "@/components/field";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { ErrorNote, Notice } from "@/components/notice";
import { cx } from "@/lib/classes";
import { useIsNarrow } from "@/lib/media";
import { found } from "@/lib/search";
import { toolTitle } from "@/lib/tool-words";
import { useAction } from "@/lib/use-action";
import { count } from "@/lib/words";
import { look, lookError } from "./look";
import { ToolDetail } from "./tool-detail";
import { definitionOf, describes, grouped, lookAt, proposal } from "./tool-review";

/** What may be done with a tool, in the words of a list. */
const EFFECTS: Record<Effect, [word: string, ink: string]> = {
  allow: ["Runs unasked", "text-faint"],
  ask: ["Asks", "text-warning"],
  deny: ["Denied", "text-danger"],
};

const LOOKS = { changed: "Changed", added: "New", new: "Not looked at", gone: "Gone" } as const;

/** The tools of a server: those that need a look first, and one of them beside the list. */
export function ToolsTab({
  server,
  chosen,
}: {
  server: ServerDetails;
  chosen: string | undefined;
}) {
  const query = useQuery(serverToolsQuery(server.slug));
  return (
    <Loaded query={query} what="The tools">
      {({ tools }) =>
        tools.length ? (
          <Tools server={server} tools={tools} chosen={chosen} />
        ) : (
          <Card>
            <Empty title="It has told no tools">
              {server.status.state === "running"
                ? "It runs, but offers nothing. Its log may say why."
                : "They are listed here once it has run for the first time."}
            </Empty>
          </Card>
        )
      }
    </Loaded>
  );
}

function Tools({
  server,
  tools,
  chosen,
}: {
  server: ServerDetails;
  tools: readonly ToolReview[];
  chosen: string | undefined;
}) {
  const narrow = useIsNarrow();
  const [search, setSearch] = useState("");
  const shown = found(
    tools,
    search,
    (it) => `${it.name} ${toolTitle(definitionOf(it), it.name)} ${describes(it)}`,
  );
  const { look, reads, changes } = grouped(shown);
  const first = [...look, ...reads, ...changes][0];
  const tool = tools.find((it) => it.name === chosen) ?? (narrow ? undefined : first);
  const isNew = (it: ToolReview) => lookAt(it) === "new";
  const fresh = tools.filter(isNew);
  // List and page are two steps on a phone, and the same elements everywhere: what was typed stays when
  // a window becomes narrow.
  const onlyTool = narrow && tool !== undefined;
  return (
    <>
      {onlyTool && (
        <Link
          to="/servers/$server"
          params={{ server: server.slug }}
          search={{ tab: "tools" }}
          className="mb-3 inline-flex h-10 items-center gap-2 font-medium text-muted no-underline"
        >
          <Icon of={ArrowLeft} /> All tools
        </Link>
      )}
      {!onlyTool && fresh.length > 1 && <LookAtAll server={server} tools={fresh} />}
      <div className="grid items-start gap-x-6 gap-y-4 md:grid-cols-[minmax(0,21rem)_minmax(0,1fr)]">
        {!onlyTool && (
          <div className="min-w-0">
            <SearchInput
              label={`Filter ${count(tools.length, "tool")}`}
              value={search}
              onChange={setSearch}
              boxClassName="mb-3"
            />
            <ToolList title="Needs a look" tools={look} server={server} open={tool?.name} />
            <ToolList title="Reads" tools={reads} server={server} open={tool?.name} />
            <ToolList title="Changes things" tools={changes} server={server} open={tool?.name} />
            {!shown.length && <p className="px-2.5 py-3 text-muted">No tool is like that.</p>}
          </div>
        )}
        {tool && (
          <ToolDetail
            key={`${tool.name} ${tool.told?.pin}`}
            server={server}
            review={tool}
            others={tools.length - 1}
          />
        )}
      </div>
    </>
  );
}

function ToolList({
  title,
  tools,
  server,
  open,
}: {
  title: string;
  tools: readonly ToolReview[];
  server: ServerDetails;
  open: string | undefined;
}) {
  if (!tools.length) return null;
  return (
    <section className="mb-3">
      <Heading className="flex h-8 items-center px-2.5 text-xs font-medium text-faint">
        <span className="flex-1">{title}</span>
        <span className="num font-normal">{tools.length}</span>
      </Heading>
      <ul>
        {tools.map((it) => {
          const look = lookAt(it);
          const [word, ink] = look
            ? [LOOKS[look], "text-warning"]
            : EFFECTS[it.pinned?.setting ?? "ask"];
          return (
            <li key={it.name} className="offscreen-row">
              <Link
                to="/servers/$server"
                params={{ server: server.slug }}
                search={{ tab: "tools", tool: it.name }}
                activeProps={{}}
                aria-current={it.name === open ? "true" : undefined}
                className={cx(
                  "flex min-h-8 items-center gap-2.5 rounded-control px-2.5 text-text no-underline -outline-offset-2 hover:bg-hover aria-[current]:bg-press aria-[current]:font-medium max-md:min-h-11",
                  (look === "changed" || look === "added") && "bg-warning-soft",
                )}
              >
                {(look === "changed" || look === "added") && (
                  <Icon of={TriangleAlert} className="text-warning" />
                )}
                <span className="min-w-0 flex-1 truncate" dir="auto">
                  {toolTitle(definitionOf(it), it.name)}
                </span>
                <span className={cx("flex-none text-xs font-normal", ink)}>{word}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** For a server that was just added: all that it tells is looked at in one go. */
function LookAtAll({ server, tools }: { server: ServerDetails; tools: readonly ToolReview[] }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const hiding = tools.filter((it) => it.hidden.length > 0);
  const reads = tools.filter((it) => proposal(it) === "allow").length;
  const accept = () =>
    run("Saving", async () => {
      await look(
        server.slug,
        tools.map((it) => ({ review: it, setting: proposal(it) })),
      );
      await client.invalidateQueries({ queryKey: keys.serverTools(server.slug) });
      await client.invalidateQueries({ queryKey: keys.tools });
    });
  return (
    <Notice
      className="mb-5"
      tone={hiding.length ? "warning" : "plain"}
      title={`Nobody has looked at ${count(tools.length, "tool")} of it yet, so all of them ask.`}
      actions={
        <Button small busy={busy} onClick={accept}>
          I have looked at them
        </Button>
      }
    >
      {reads > 0
        ? `${count(reads, "tool says that it only reads", "tools say that they only read")} and would then run unasked; the others go on asking. `
        : "They would go on asking. "}
      You can change each one below.
      {hiding.length > 0 && (
        <p>
          {count(hiding.length, "tool hides", "tools hide")} characters in its words: look at it
          first.
        </p>
      )}
      {error !== null && <ErrorNote className="mt-2" error={lookError(error)} />}
    </Notice>
  );
}
