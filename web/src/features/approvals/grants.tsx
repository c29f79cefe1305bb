import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "@/api/client";
import { allGrantsQuery, keys, serversQuery } from "@/api/queries";
import type { Grant } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card, Row } from "@/components/card";
import { Empty } from "@/components/empty";
import { SearchInput } from "@/components/field";
import { Loaded } from "@/components/loaded";
import { ErrorNote } from "@/components/notice";
import { Tile } from "@/components/tile";
import { found } from "@/lib/search";
import { toast } from "@/lib/toasts";
import { useAction } from "@/lib/use-action";
import { ago, date, humanName } from "@/lib/words";
import { scopeWords, serverName } from "./approval-words";

const SEARCH_FROM = 8;

/** What was allowed for longer than one call; each is taken back with one press. */
export function Grants() {
  const query = useInfiniteQuery(allGrantsQuery);
  const [search, setSearch] = useState("");
  const all = query.data?.pages.flatMap((it) => it.grants);
  return (
    <>
      <p className="mb-3 max-w-[46rem] text-muted">
        What you have allowed for longer than one call. Each one holds for the tool as it was when
        you allowed it; where the tool changes, it asks again.
      </p>
      <Loaded query={{ ...query, data: all }} what="The permissions">
        {(grants) => {
          const shown = found(grants, search, (it) => `${it.server} ${it.tool} ${it.client ?? ""}`);
          return (
            <>
              {grants.length >= SEARCH_FROM && (
                <SearchInput
                  label={`Filter ${grants.length} permissions`}
                  value={search}
                  onChange={setSearch}
                  boxClassName="mb-3 md:max-w-80"
                />
              )}
              <Card>
                {shown.map((it) => (
                  <GrantRow key={it.id} grant={it} />
                ))}
                {shown.length === 0 && (
                  <Empty title={search ? "No permission is like that" : "There are no permissions"}>
                    {!search && "All that asks, asks each time."}
                  </Empty>
                )}
              </Card>
              {query.hasNextPage && (
                <Button
                  className="mt-4"
                  busy={query.isFetchingNextPage && "Loading"}
                  onClick={() => query.fetchNextPage()}
                >
                  Show more
                </Button>
              )}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

function GrantRow({ grant }: { grant: Grant }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const { data: servers } = useQuery(serversQuery);
  const title = servers?.find((it) => it.id === grant.server_id)?.title ?? serverName(grant.server);
  const now = Date.now();
  const tool = humanName(grant.tool);
  const revoke = async () => {
    const isDone = await run("Revoking", () =>
      api.delete("/api/v1/grants/{grant}", { path: { grant: grant.id } }),
    );
    if (!isDone) return;
    toast.done(`“${tool}” asks again`);
    await client.invalidateQueries({ queryKey: keys.grants });
  };
  return (
    <Row
      className="offscreen-row"
      lead={<Tile name={title} />}
      title={
        <>
          <span className="min-w-0 [overflow-wrap:anywhere]">
            {title}: {tool}
          </span>
          {!grant.is_active && <Badge>Over</Badge>}
        </>
      }
      note={
        <>
          {scopeWords(grant)}
          {grant.chat && (
            <>
              {" "}
              (
              <Link to="/chats/$chat" params={{ chat: grant.chat }} className="link">
                this one
              </Link>
              )
            </>
          )}
          {`. Since ${date(grant.created_at_ms, now)}`}
          {grant.used_at_ms ? `, used ${ago(grant.used_at_ms, now)}` : ""}
          {grant.expires_at_ms ? `, until ${ago(grant.expires_at_ms, now)}` : ""}
        </>
      }
      actions={
        <Button small busy={busy} onClick={revoke} aria-label={`Revoke ${tool}`}>
          Revoke
        </Button>
      }
    >
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Row>
  );
}
