import { Download } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { ApiFailure, api } from "@/api/client";
import { connection, onComeback } from "@/api/connection";
import type { ServerDetails } from "@/api/types";
import { Button } from "@/components/button";
import { Empty } from "@/components/empty";
import { SearchInput, Switch } from "@/components/field";
import { LogLine, type LogRow } from "@/components/log";
import { ErrorNote } from "@/components/notice";
import { SkeletonRows } from "@/components/progress";
import { Segmented } from "@/components/segmented";
import { saveText } from "@/lib/copy";
import { bytes, count } from "@/lib/words";
import { asText, filtered, isProblem, joined, type LogFilter, span } from "./log-rows";

const LINES_MAX = 2000;
const WAIT_S = 25;
const RETRY_MS = 3000;

/** What a server writes, as it writes it. */
export function LogsTab({ server }: { server: ServerDetails }) {
  const [following, setFollowing] = useState(true);
  const { rows, error, loaded } = useLog(server.slug, following);
  const [search, setSearch] = useState("");
  const [filter, setFilter] = useState<LogFilter>("all");
  const shown = useMemo(() => filtered(rows, filter, search), [rows, filter, search]);
  const problems = useMemo(() => rows.filter(isProblem).length, [rows]);
  const size = useMemo(() => rows.reduce((sum, it) => sum + it.text.length, 0), [rows]);
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-2">
        <SearchInput
          label="Search the log"
          value={search}
          onChange={setSearch}
          boxClassName="max-w-64 min-w-44 flex-1"
        />
        <Segmented
          label="Which lines"
          value={filter}
          onChange={setFilter}
          options={[
            { value: "all", label: "All" },
            { value: "server", label: "Server" },
            { value: "archestra", label: "Archestra" },
            { value: "problems", label: "Problems", count: problems || undefined },
          ]}
        />
        <span className="flex-1" />
        <Switch label="Follow" checked={following} onCheckedChange={setFollowing} />
        <Button
          icon={Download}
          disabled={!rows.length}
          onClick={() => saveText(`${server.slug}.log`, asText(rows))}
        >
          Download
        </Button>
      </div>
      {error !== null && (
        <ErrorNote className="mb-3" title="The log could not be read further." error={error} />
      )}
      <section
        aria-label="Log"
        className="overflow-hidden rounded-card border border-border bg-sunken"
      >
        <header className="flex min-h-9 flex-wrap items-center gap-x-4 border-b border-border px-4 text-xs text-faint">
          <span className="flex-1">{span(shown)}</span>
          <span className="num">
            {shown.length === rows.length ? "" : `${count(shown.length, "line")} of `}
            {count(rows.length, "line")}, {bytes(size)}
          </span>
        </header>
        {!loaded && error === null ? (
          <SkeletonRows rows={4} />
        ) : shown.length ? (
          <Lines rows={shown} follow={following} mark={search.trim()} />
        ) : (
          <Empty title={rows.length ? "No line is like that" : "It has written nothing yet"}>
            {!rows.length &&
              "What the server says on its standard error, and what happens around it."}
          </Empty>
        )}
      </section>
    </>
  );
}

function Lines({ rows, follow, mark }: { rows: readonly LogRow[]; follow: boolean; mark: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  // Who has scrolled up reads; the end comes back when they go there.
  const atEnd = useRef(true);
  const last = rows.length - 1;
  useEffect(() => {
    if (follow && atEnd.current && last >= 0) list.current?.scrollToIndex(last, { align: "end" });
  }, [follow, last]);
  return (
    <div
      ref={scroller}
      // It scrolls, so keys have to reach it.
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Lines of the log"
      className="thin-scroll max-h-[min(36rem,70dvh)] min-h-40 overflow-y-auto py-2 -outline-offset-2"
      onScroll={({ currentTarget: it }) => {
        atEnd.current = it.scrollHeight - it.scrollTop - it.clientHeight < 40;
      }}
    >
      <Virtualizer ref={list} scrollRef={scroller} startMargin={8}>
        {rows.map((row) => (
          <LogLine key={row.number} row={row} {...(mark ? { mark } : {})} />
        ))}
      </Virtualizer>
    </div>
  );
}

/** The last lines of a log and, while it is followed, those that come. */
function useLog(slug: string, following: boolean) {
  const [rows, setRows] = useState<LogRow[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [loaded, setLoaded] = useState(false);
  const after = useRef<number | null>(null);
  useEffect(() => {
    if (!following && after.current !== null) return;
    const abort = new AbortController();
    void (async () => {
      while (!abort.signal.aborted) {
        try {
          const query =
            after.current === null
              ? { lines: LINES_MAX }
              : { after: after.current, lines: LINES_MAX, wait_s: WAIT_S };
          const answer = await api.get("/api/v1/servers/{server}/logs", {
            path: { server: slug },
            query,
            signal: abort.signal,
          });
          after.current = answer.after;
          setRows((before) => joined(before, answer.lines));
          setLoaded(true);
          setError(null);
          if (!following) return;
        } catch (caught) {
          if (abort.signal.aborted) return;
          if (caught instanceof ApiFailure) setError(caught);
          await pause(abort.signal);
        }
      }
    })();
    return () => abort.abort();
  }, [slug, following]);
  return { rows, error, loaded };
}

async function pause(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, RETRY_MS);
    const forget = connection() === "online" ? null : onComeback(resolve);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        forget?.();
        resolve();
      },
      { once: true },
    );
  });
}
