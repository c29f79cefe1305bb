import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { openApprovalsQuery, pastApprovalsQuery, serversQuery } from "@/api/queries";
import type { Approval } from "@/api/types";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { Empty } from "@/components/empty";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { Announce, PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { Dot } from "@/components/status";
import { Count, TabBar, tabClass } from "@/components/tabs";
import { Tile } from "@/components/tile";
import { useNow } from "@/lib/now";
import { ago, count, humanName } from "@/lib/words";
import { endWords, serverName } from "./approval-words";
import { Grants } from "./grants";
import { Request } from "./request";
import { Rules } from "./rules";

const TABS = [
  ["open", "Waits for you"],
  ["past", "Decided"],
  ["permissions", "Permissions"],
  ["rules", "Rules"],
] as const;

/** All that asks, what was decided, and what holds from now on. */
export function ApprovalsPage({ tab = "open" }: { tab?: string | undefined }) {
  useTitle("Approvals");
  const { data: open } = useQuery(openApprovalsQuery);
  return (
    <>
      <Topbar>
        <span className="flex-1 font-semibold">Approvals</span>
      </Topbar>
      <PageBody>
        <PageTitle>Approvals</PageTitle>
        <p className="mt-0.5 mb-4 max-w-[46rem] text-muted">
          What models and other programs want to do and may not without you, whoever they are.
        </p>
        <TabBar label="Parts of approvals">
          {TABS.map(([key, label]) => (
            <Link
              key={key}
              to="/approvals"
              search={key === "open" ? {} : { tab: key }}
              replace
              activeProps={{}}
              activeOptions={{ exact: true, includeSearch: true }}
              className={tabClass}
              aria-current={key === tab ? "page" : undefined}
            >
              {label}
              {key === "open" && Boolean(open?.length) && <Count>{open?.length}</Count>}
            </Link>
          ))}
        </TabBar>
        <div className="mt-5">
          {tab === "past" ? (
            <Past />
          ) : tab === "permissions" ? (
            <Grants />
          ) : tab === "rules" ? (
            <Rules />
          ) : (
            <Open />
          )}
        </div>
      </PageBody>
    </>
  );
}

const CARDS_AT_ONCE = 8;

function Open() {
  const query = useQuery(openApprovalsQuery);
  const [most, setMost] = useState(CARDS_AT_ONCE);
  return (
    <Loaded query={query} what="What waits">
      {(approvals) =>
        approvals.length === 0 ? (
          <Card>
            <Empty title="Nothing waits for you">
              When a model or another program wants to use a tool that asks, the question is here,
              and in the chat where it came up.
            </Empty>
          </Card>
        ) : (
          <div className="max-w-[46rem]">
            <Announce now>{count(approvals.length, "question waits", "questions wait")}</Announce>
            <ul className="flex flex-col gap-5">
              {approvals.slice(0, most).map((it) => (
                <li key={it.id}>
                  <Request id={it.id} takesFocus={approvals.length === 1} />
                </li>
              ))}
            </ul>
            {approvals.length > most && (
              <Button className="mt-5" onClick={() => setMost(most + CARDS_AT_ONCE)}>
                Show more of {approvals.length}
              </Button>
            )}
          </div>
        )
      }
    </Loaded>
  );
}

function Past() {
  const query = useInfiniteQuery(pastApprovalsQuery);
  const all = query.data?.pages.flatMap((it) => it.approvals).filter((it) => it.state !== "open");
  return (
    <Loaded query={{ ...query, data: all }} what="What was decided">
      {(approvals) => (
        <>
          <Card>
            {approvals.map((it) => (
              <PastRow key={it.id} approval={it} />
            ))}
            {approvals.length === 0 && (
              <Empty title="Nothing was decided yet">
                Your answers are kept here, with what was asked and by whom.
              </Empty>
            )}
          </Card>
          {query.hasNextPage && (
            <Button
              className="mt-4"
              busy={query.isFetchingNextPage && "Loading"}
              onClick={() => query.fetchNextPage()}
            >
              Show older ones
            </Button>
          )}
        </>
      )}
    </Loaded>
  );
}

function PastRow({ approval }: { approval: Approval }) {
  const now = useNow(60_000);
  const { data: servers } = useQuery(serversQuery);
  const title =
    servers?.find((it) => it.slug === approval.server)?.title ?? serverName(approval.server);
  return (
    <Link
      to="/approvals/$approval"
      params={{ approval: approval.id }}
      className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-3 px-4 py-2.5 text-text no-underline -outline-offset-2 hover:bg-hover sm:grid-cols-[auto_minmax(0,1fr)_auto_auto]"
    >
      <Tile name={title} />
      <span className="min-w-0">
        <span className="block truncate font-semibold">
          {title}: {humanName(approval.tool)}
        </span>
        <span className="block truncate text-muted">
          {approval.client ?? (approval.chat ? "A chat" : "A program")},{" "}
          {ago(approval.created_at_ms, now)}
          {approval.reason && ` · “${approval.reason}”`}
        </span>
      </span>
      <span className="inline-flex items-center gap-1.5 text-muted max-sm:col-start-2">
        <Dot shape={approval.state === "approved" ? "run" : "idle"} />
        {endWords(approval)}
      </span>
      <Icon of={ChevronRight} className="text-faint max-sm:hidden" />
    </Link>
  );
}

/** The page that a client gets the address of. */
export function ApprovalPage({ id }: { id: string }) {
  useTitle("Approval");
  return (
    <>
      <Topbar>
        <nav aria-label="Where this is" className="flex min-w-0 items-center gap-2">
          <Link to="/approvals" className="text-muted no-underline hover:text-text">
            Approvals
          </Link>
          <Icon of={ChevronRight} size="sm" className="text-faint" />
          <span className="truncate font-semibold">One request</span>
        </nav>
      </Topbar>
      <PageBody>
        <div className="max-w-[46rem]">
          <PageTitle className="mb-4">A request</PageTitle>
          <Request key={id} id={id} takesFocus />
        </div>
      </PageBody>
    </>
  );
}
