import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ChevronRight, Download, RotateCw } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { address } from "@/api/client";
import { type AuditSearch, auditQuery, serversQuery, tokensQuery } from "@/api/queries";
import type { AuditEvent } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card, Facts } from "@/components/card";
import { Empty } from "@/components/empty";
import { SearchInput, Select } from "@/components/field";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { Quoted, QuotedLine } from "@/components/wall";
import { cx } from "@/lib/classes";
import { useNow } from "@/lib/now";
import { ago, bytes, count, duration, moment } from "@/lib/words";
import { aboutWords, ending, isPeriod, kindWords, PARTS, PERIODS, whoWords } from "./audit-words";

export interface AuditFilters {
  q?: string;
  kind?: string;
  server?: string;
  client?: string;
  decision?: string;
  period?: string;
}

const TYPING_MS = 300;

/** What happened, who did it, and who allowed it. */
export function AuditPage({ filters }: { filters: AuditFilters }) {
  useTitle("Audit");
  const navigate = useNavigate();
  const set = (change: Partial<Record<keyof AuditFilters, string>>) => {
    const next = { ...filters, ...change };
    const search = Object.fromEntries(Object.entries(next).filter(([, value]) => value));
    void navigate({ to: "/audit", search, replace: true });
  };
  const { period, ...rest } = filters;
  // A period ends now, and now is not another one with each picture.
  const since = useMemo(
    () => (isPeriod(period) ? Math.floor((Date.now() - PERIODS[period]) / 60_000) * 60_000 : null),
    [period],
  );
  const search: AuditSearch = { ...rest, ...(since === null ? {} : { since_ms: since }) };
  const query = useInfiniteQuery(auditQuery(search));
  const all = query.data?.pages.flat();
  const isFiltered = Object.values(filters).some(Boolean);
  return (
    <>
      <Topbar>
        <span className="flex-1 font-semibold">Audit</span>
        <Button
          small
          icon={RotateCw}
          busy={query.isRefetching && !query.isFetchingNextPage && "Looking"}
          onClick={() => query.refetch()}
        >
          Look for new
        </Button>
        <Button asChild small>
          <a
            href={address("/api/v1/audit/export", { query: { ...search } })}
            download="audit.jsonl"
          >
            <Icon of={Download} className="-ms-0.5 text-muted" />
            Export
          </a>
        </Button>
      </Topbar>
      <PageBody>
        <PageTitle>Audit</PageTitle>
        <p className="mt-0.5 mb-4 max-w-[46rem] text-muted">
          What happened, who did it, what allowed it, and what was refused. Values of secrets are
          never in it.
        </p>
        <Filters filters={filters} onChange={set} />
        <Loaded query={{ ...query, data: all }} what="The audit" rows={6}>
          {(events) => (
            <>
              <Card {...(events.length ? { role: "list", "aria-label": "What happened" } : {})}>
                {events.map((it) => (
                  <Event key={it.id} event={it} />
                ))}
                {events.length === 0 && (
                  <Empty
                    title={isFiltered ? "Nothing like that happened" : "Nothing has happened yet"}
                    action={
                      isFiltered && (
                        <Button onClick={() => void navigate({ to: "/audit", search: {} })}>
                          Show everything
                        </Button>
                      )
                    }
                  >
                    {!isFiltered &&
                      "Calls of tools, decisions, connections and changes are written down here."}
                  </Empty>
                )}
              </Card>
              <div className="mt-4 flex items-center gap-3">
                {query.hasNextPage && (
                  <Button
                    busy={query.isFetchingNextPage && "Loading"}
                    onClick={() => query.fetchNextPage()}
                  >
                    Show older
                  </Button>
                )}
                <span className="num text-xs text-faint">
                  {count(events.length, "event")} shown
                </span>
              </div>
            </>
          )}
        </Loaded>
      </PageBody>
    </>
  );
}

function Filters({
  filters,
  onChange,
}: {
  filters: AuditFilters;
  onChange: (change: Partial<Record<keyof AuditFilters, string>>) => void;
}) {
  const { data: servers } = useQuery(serversQuery);
  const { data: tokens } = useQuery(tokensQuery);
  const [text, setText] = useState(filters.q ?? "");
  useEffect(() => {
    if (text === (filters.q ?? "")) return;
    const timer = setTimeout(() => onChange({ q: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, filters.q, onChange]);
  const gone =
    filters.server && servers && !servers.some((it) => it.slug === filters.server)
      ? filters.server
      : null;
  return (
    <search aria-label="Search the audit" className="mb-4 flex flex-wrap gap-2">
      <SearchInput
        label="Search: a tool, a host, a name"
        value={text}
        onChange={setText}
        boxClassName="min-w-56 flex-2 max-sm:basis-full"
      />
      <Choice
        label="What"
        value={filters.kind}
        onChange={(kind) => onChange({ kind })}
        options={PARTS}
      />
      <Choice
        label="Server"
        value={filters.server}
        onChange={(server) => onChange({ server })}
        options={[
          ["", "All servers"],
          ...(gone ? [[gone, gone] as const] : []),
          ...(servers ?? []).map((it) => [it.slug, it.title] as const),
        ]}
      />
      <Choice
        label="App"
        value={filters.client}
        onChange={(client) => onChange({ client })}
        options={[["", "Everybody"], ...(tokens ?? []).map((it) => [it.name, it.name] as const)]}
      />
      <Choice
        label="Decision"
        value={filters.decision}
        onChange={(decision) => onChange({ decision })}
        options={[
          ["", "Any decision"],
          ["allowed", "Allowed"],
          ["asked", "Asked"],
          ["denied", "Denied"],
        ]}
      />
      <Choice
        label="Since"
        value={filters.period}
        onChange={(period) => onChange({ period })}
        options={[
          ["", "Any time"],
          ["hour", "Last hour"],
          ["day", "Last day"],
          ["week", "Last 7 days"],
          ["month", "Last 30 days"],
        ]}
      />
    </search>
  );
}

function Choice({
  label,
  value = "",
  onChange,
  options,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string) => void;
  options: ReadonlyArray<readonly [string, string]>;
}) {
  return (
    <Select
      aria-label={label}
      className={cx("min-w-28 flex-1 max-sm:basis-[46%]", value && "font-medium")}
      value={value}
      onChange={(event) => onChange(event.target.value)}
    >
      {options.map(([key, words]) => (
        <option key={key} value={key}>
          {words}
        </option>
      ))}
    </Select>
  );
}

function Event({ event }: { event: AuditEvent }) {
  const [open, setOpen] = useState(false);
  const now = useNow(60_000);
  const end = ending(event);
  return (
    <div role="listitem" className="offscreen-row">
      <button
        type="button"
        aria-expanded={open}
        className="grid min-h-11 w-full grid-cols-[minmax(0,1fr)_auto_16px] items-center gap-x-3 px-4 py-1.5 text-start -outline-offset-2 hover:bg-hover md:grid-cols-[5.5rem_8rem_minmax(0,1fr)_6.5rem_4.5rem_16px]"
        onClick={() => setOpen(!open)}
      >
        <span className="num text-xs text-faint max-md:hidden">{ago(event.at_ms, now)}</span>
        <span className="truncate text-muted max-md:hidden">{whoWords(event)}</span>
        <span className="min-w-0">
          <span className="font-medium">{kindWords(event.kind)}</span>{" "}
          <span className="font-mono text-xs text-muted [overflow-wrap:anywhere]">
            <QuotedLine text={aboutWords(event)} max={160} />
          </span>
          <span className="block text-xs text-faint md:hidden">
            {whoWords(event)}, {ago(event.at_ms, now)}
          </span>
        </span>
        {end ? (
          <Badge tone={end.tone} className="justify-self-start">
            {end.word}
          </Badge>
        ) : (
          <span />
        )}
        <span className="num text-end text-xs text-faint max-md:hidden">
          {typeof event.duration_ms === "number" ? duration(event.duration_ms) : ""}
        </span>
        <Icon
          of={ChevronRight}
          className={cx(
            "text-faint transition-[rotate] duration-(--duration-base)",
            open && "rotate-90",
          )}
        />
      </button>
      {open && (
        <div className="border-t border-border bg-sunken px-4 py-3">
          <Facts facts={facts(event)} />
        </div>
      )}
    </div>
  );
}

function facts(event: AuditEvent): Array<[string, React.ReactNode]> {
  const mono = (text: string) => (
    <code>
      <QuotedLine text={text} />
    </code>
  );
  const sizes = [
    typeof event.request_bytes === "number" && `${bytes(event.request_bytes)} asked`,
    typeof event.response_bytes === "number" && `${bytes(event.response_bytes)} answered`,
  ].filter(Boolean);
  const all: Array<[string, React.ReactNode]> = [
    ["When", moment(event.at_ms)],
    ["What", mono(event.kind)],
    ["In whose name", event.principal && mono(event.principal)],
    ["App", event.client && mono(event.client)],
    ["Chat", event.chat && mono(event.chat)],
    ["Server", event.server_slug && mono(event.server_slug)],
    ["Tool", event.tool && mono(event.tool)],
    ["Decision", event.decision],
    ["It rests on", event.basis && <QuotedLine key="b" text={event.basis} />],
    ["Outcome", event.outcome && mono(event.outcome)],
    ["Sizes", sizes.join(", ")],
    ["Pin", event.pin && mono(event.pin)],
    ["More", event.detail && <Quoted key="d" text={JSON.stringify(event.detail, null, 2)} mono />],
  ];
  return all.filter(([, value]) => Boolean(value));
}
