import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { auditOnceQuery, usageQuery } from "@/api/queries";
import type { ServerDetails, Usage } from "@/api/types";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { Notice } from "@/components/notice";
import { Bar } from "@/components/progress";
import { bytes, count, duration, grouped } from "@/lib/words";
import { busyCores, callFigures } from "./reach";

const CALLS_MAX = 100;

/** The most that a server may take, and what its last calls took. */
export function LimitsTab({ server }: { server: ServerDetails }) {
  const { limits, status } = server;
  const isRemote = server.source.kind === "remote";
  const { data: events } = useQuery({
    ...auditOnceQuery({ kind: "tool.call", server: server.slug, limit: CALLS_MAX }),
    refetchInterval: 15_000,
  });
  const figures = callFigures(events ?? []);
  const taken = useTaken(server.slug, !isRemote);
  const lastCalls = figures
    ? `Last ${count(figures.calls, "call")}${figures.failed ? `, ${grouped(figures.failed)} failed` : ""}`
    : "No call yet";
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <p className="min-w-60 flex-1 text-muted">
          {isRemote
            ? "What it takes elsewhere is not ours to limit. Its calls are."
            : "If a limit is reached, only this server is slowed or stopped."}
        </p>
        {!isRemote && (
          <Button asChild small look="ghost">
            <Link to="/servers/add" search={{ from: server.slug }}>
              Change
            </Link>
          </Button>
        )}
      </div>
      <Card>
        <Limit
          name="Calls at a time"
          note="Now"
          used={status.requests / limits.calls_max}
          figure={grouped(status.requests)}
          most={grouped(limits.calls_max)}
        />
        <Limit
          name="Time per call"
          note={lastCalls}
          used={figures ? figures.slowestMs / limits.call_timeout_ms : null}
          figure={figures ? duration(figures.slowestMs) : "—"}
          detail={figures ? `Half of them under ${duration(figures.medianMs)}` : undefined}
          most={duration(limits.call_timeout_ms)}
        />
        <Limit
          name="Size of a result"
          note={lastCalls}
          used={null}
          figure={figures ? bytes(figures.largestBytes) : "—"}
          detail="The largest"
        />
        {!isRemote && (
          <>
            <Limit
              name="Memory"
              note={taken.note}
              used={taken.of(taken.memory, limits.memory_bytes_max)}
              figure={taken.memory === null ? undefined : bytes(taken.memory)}
              most={bytes(limits.memory_bytes_max)}
            />
            <Limit
              name="Processor"
              note={taken.note}
              used={taken.of(taken.cores, limits.cpu_millis_max / 1000)}
              figure={taken.cores === null ? undefined : `${Math.round(taken.cores * 100)} %`}
              detail={taken.cores === null ? undefined : "Of one core"}
              most={count(limits.cpu_millis_max / 1000, "core")}
            />
            <Limit
              name="Processes and threads"
              note={taken.note}
              used={taken.of(taken.pids, limits.pids_max)}
              figure={taken.pids === null ? undefined : grouped(taken.pids)}
              most={grouped(limits.pids_max)}
            />
            <Limit
              name="Space for temporary files"
              note="In memory, gone when it stops"
              most={bytes(limits.tmp_bytes_max)}
              used={null}
            />
            <Limit name="Time to start" most={duration(limits.start_timeout_ms)} used={null} />
          </>
        )}
      </Card>
      {server.install?.size_bytes && (
        <p className="mt-3 text-xs text-faint">
          What was installed takes {bytes(server.install.size_bytes)}, read-only.
        </p>
      )}
      {server.warnings.length > 0 && (
        <Notice className="mt-4" tone="warning" title="This machine cannot hold it to all of them.">
          See above.
        </Notice>
      )}
    </>
  );
}

/** What the server takes now, as far as the host measures it. */
function useTaken(slug: string, enabled: boolean) {
  const { data } = useQuery({ ...usageQuery(slug), enabled });
  const last = useRef<Usage | null>(null);
  const [before, setBefore] = useState<Usage | null>(null);
  useEffect(() => {
    if (!data || data === last.current) return;
    setBefore(last.current);
    last.current = data;
  }, [data]);
  const runs = data?.sandboxes ?? 0;
  return {
    memory: (runs && data?.memory_bytes) || null,
    cores: runs ? busyCores(before, data) : null,
    pids: (runs && data?.pids) || null,
    note: !data
      ? undefined
      : runs === 0
        ? "It is not running"
        : data.memory_bytes == null
          ? "This host does not measure it"
          : runs > 1
            ? `Now, in ${count(runs, "sandbox", "sandboxes")}`
            : "Now",
    /** Each sandbox has the limit for itself. */
    of: (value: number | null, most: number) =>
      value === null ? null : value / (most * Math.max(1, runs)),
  };
}

function Limit({
  name,
  note,
  used,
  figure,
  detail,
  most,
}: {
  name: string;
  note?: string | undefined;
  /** Of the limit, from 0 to 1; null where it is not measured. */
  used: number | null;
  figure?: string | undefined;
  detail?: ReactNode;
  most?: string;
}) {
  return (
    <div className="grid items-center gap-x-5 gap-y-1 px-4 py-3 sm:grid-cols-[11rem_minmax(0,1fr)_9rem_7rem] max-sm:grid-cols-2">
      <div>
        <h3 className="font-semibold">{name}</h3>
        {note && <p className="text-xs text-faint">{note}</p>}
      </div>
      <div className="max-sm:order-3 max-sm:col-span-2">
        {used !== null && (
          <Bar label={`${name}, of the most`} percent={Math.min(100, Math.round(used * 100))} />
        )}
      </div>
      <div className="num max-sm:order-4">
        {figure && <p className="text-md font-semibold">{figure}</p>}
        {detail && <p className="text-xs text-faint">{detail}</p>}
      </div>
      <p className="num text-end text-muted max-sm:order-2">{most && `at most ${most}`}</p>
    </div>
  );
}
