import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight, Plug, Plus } from "lucide-react";
import { useState } from "react";
import { serversQuery } from "@/api/queries";
import type { Server } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { Empty } from "@/components/empty";
import { SearchInput } from "@/components/field";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { Said } from "@/components/said";
import { Tile } from "@/components/tile";
import { found } from "@/lib/search";
import { stateWords } from "@/lib/server-words";
import { count, sentence } from "@/lib/words";
import { sourceName, sourceWords } from "./source-words";

/** All servers, with how each one is. */
export function ServersPage() {
  useTitle("MCP servers");
  const query = useQuery(serversQuery);
  return (
    <>
      <Topbar>
        <span className="flex-1 font-semibold">MCP servers</span>
        <Button asChild small>
          <Link to="/servers/add">
            <Icon of={Plus} className="-ms-0.5 text-muted" />
            Add a server
          </Link>
        </Button>
      </Topbar>
      <PageBody>
        <PageTitle>MCP servers</PageTitle>
        <p className="mt-0.5 mb-5 max-w-[46rem] text-muted">
          Each one runs in a sandbox of its own, and reaches what you allow and nothing else.
        </p>
        <Loaded query={query} what="The servers">
          {(servers) => <List servers={servers} />}
        </Loaded>
      </PageBody>
    </>
  );
}

const SEARCH_FROM = 8;

function List({ servers }: { servers: Server[] }) {
  const [search, setSearch] = useState("");
  if (servers.length === 0) {
    return (
      <Card>
        <Empty
          title="There is no server yet"
          action={
            <Button look="primary" icon={Plug} asChild>
              <Link to="/servers/add">Add your first server</Link>
            </Button>
          }
        >
          Servers give models tools: files, code, calendars, databases. Those that you add are
          listed here, with what they reach.
        </Empty>
      </Card>
    );
  }
  const shown = found(servers, search, (it) => `${it.title} ${it.slug} ${sourceName(it.source)}`);
  return (
    <>
      {servers.length >= SEARCH_FROM && (
        <SearchInput
          label={`Filter ${count(servers.length, "server")}`}
          value={search}
          onChange={setSearch}
          boxClassName="mb-3 md:max-w-80"
        />
      )}
      <Card>
        {shown.map((it) => (
          <ServerRow key={it.id} server={it} />
        ))}
        {shown.length === 0 && <p className="px-4 py-4 text-muted">No server is called that.</p>}
      </Card>
    </>
  );
}

function ServerRow({ server }: { server: Server }) {
  const { shape, word, tone } = stateWords(server);
  const { reason } = server.status;
  return (
    <Link
      to="/servers/$server"
      params={{ server: server.slug }}
      className="flex items-center gap-3 px-4 py-2.5 text-text no-underline -outline-offset-2 hover:bg-hover"
    >
      <Tile name={server.title} />
      <span className="min-w-0 flex-1">
        <span className="flex flex-wrap items-center gap-2">
          <span className="min-w-0 truncate font-semibold">{server.title}</span>
          <Badge tone={tone} dot={shape}>
            {word}
          </Badge>
        </span>
        <span className="block truncate text-muted">
          {reason && tone !== "success" ? (
            <Said text={sentence(reason).slice(0, 300)} />
          ) : (
            <>
              {count(server.tools, "tool")} · {sourceWords(server.source)}{" "}
              <code>{sourceName(server.source)}</code>
            </>
          )}
        </span>
      </span>
      <Icon of={ChevronRight} className="text-faint" />
    </Link>
  );
}
