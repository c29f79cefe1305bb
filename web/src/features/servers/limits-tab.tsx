import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { auditOnceQuery, usageQuery } from "@/api/queries";
import type { Limits, ServerDetails, Usage } from "@/api/types";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { Input } from "@/components/field";
import { ErrorNote, Notice } from "@/components/notice";
import { Bar } from "@/components/progress";
import { bytes, count, duration, grouped } from "@/lib/words";
import {
  changedLimits,
  LIMIT_FIELDS,
  type LimitTexts,
  limitProblem,
  limitText,
} from "./limit-fields";
import { busyCores, callFigures } from "./reach";
import { useEditServer } from "./use-edit-server";

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
  const { busy, error, edit } = useEditServer(server.slug);
  const [texts, setTexts] = useState<LimitTexts>({});
  const changed = changedLimits(texts, limits);
  const isWrong = Object.entries(texts).some(
    ([name, text]) => limitProblem(name as keyof Limits, text) !== null,
  );
  const field = (name: keyof Limits) => ({
    name,
    text: texts[name] ?? limitText(name, limits),
    onText: (text: string) => setTexts({ ...texts, [name]: text }),
  });
  const lastCalls = figures
    ? `Last ${count(figures.calls, "call")}${figures.failed ? `, ${grouped(figures.failed)} failed` : ""}`
    : "No call yet";
  return (
    <form
      onSubmit={async (event) => {
        event.preventDefault();
        if (!isWrong && (await edit("Saving", { limits: changed }))) setTexts({});
      }}
    >
      <div className="mb-3 flex min-h-8 flex-wrap items-center gap-2">
        <p className="min-w-60 flex-1 text-muted">
          {isRemote
            ? "What it takes elsewhere is not ours to limit. Its calls are."
            : "If a limit is reached, only this server is slowed or stopped. What runs is ended by a change, and begins anew with it."}
        </p>
        {(isWrong || Object.keys(changed).length > 0) && (
          <span className="flex gap-2">
            <Button onClick={() => setTexts({})}>Put back</Button>
            <Button type="submit" look="primary" busy={busy} disabled={isWrong}>
              Save
            </Button>
          </span>
        )}
      </div>
      {error !== null && <ErrorNote className="mb-3" error={error} />}
      <Card>
        <Limit
          title="Calls at a time"
          note="Now"
          used={status.requests / limits.calls_max}
          figure={grouped(status.requests)}
          field={field("calls_max")}
        />
        <Limit
          title="Time per call"
          note={lastCalls}
          used={figures ? figures.slowestMs / limits.call_timeout_ms : null}
          figure={figures ? duration(figures.slowestMs) : "—"}
          detail={figures ? `Half of them under ${duration(figures.medianMs)}` : undefined}
          field={field("call_timeout_ms")}
        />
        <Limit
          title="Size of a result"
          note={lastCalls}
          used={null}
          figure={figures ? bytes(figures.largestBytes) : "—"}
          detail="The largest"
        />
        <Limit title="Time to start" used={null} field={field("start_timeout_ms")} />
        {!isRemote && (
          <>
            <Limit
              title="Memory"
              note={taken.note}
              used={taken.of(taken.memory, limits.memory_bytes_max)}
              figure={taken.memory === null ? undefined : bytes(taken.memory)}
              field={field("memory_bytes_max")}
            />
            <Limit
              title="Processor"
              note={taken.note}
              used={taken.of(taken.cores, limits.cpu_millis_max / 1000)}
              figure={taken.cores === null ? undefined : `${Math.round(taken.cores * 100)} %`}
              detail={taken.cores === null ? undefined : "Of one core"}
              field={field("cpu_millis_max")}
            />
            <Limit
              title="Processes and threads"
              note={taken.note}
              used={taken.of(taken.pids, limits.pids_max)}
              figure={taken.pids === null ? undefined : grouped(taken.pids)}
              field={field("pids_max")}
            />
            <Limit
              title="Space for temporary files"
              note="In memory, gone when it stops"
              used={null}
              field={field("tmp_bytes_max")}
            />
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
    </form>
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
  title,
  note,
  used,
  figure,
  detail,
  field,
}: {
  title: string;
  note?: string | undefined;
  /** Of the limit, from 0 to 1; null where it is not measured. */
  used: number | null;
  figure?: string | undefined;
  detail?: ReactNode;
  field?: { name: keyof Limits; text: string; onText: (text: string) => void };
}) {
  return (
    <div className="grid items-center gap-x-5 gap-y-1 px-4 py-3 sm:grid-cols-[11rem_minmax(0,1fr)_9rem_8.5rem] max-sm:grid-cols-2">
      <div>
        <h3 className="font-semibold">{title}</h3>
        {note && <p className="text-xs text-faint">{note}</p>}
      </div>
      <div className="max-sm:order-3 max-sm:col-span-2">
        {used !== null && (
          <Bar label={`${title}, of the most`} percent={Math.min(100, Math.round(used * 100))} />
        )}
      </div>
      <div className="num max-sm:order-4">
        {figure && <p className="text-md font-semibold">{figure}</p>}
        {detail && <p className="text-xs text-faint">{detail}</p>}
      </div>
      <div className="max-sm:order-2">{field && <Most title={title} {...field} />}</div>
    </div>
  );
}

/** The limit itself, to be written anew. */
function Most({
  title,
  name,
  text,
  onText,
}: {
  title: string;
  name: keyof Limits;
  text: string;
  onText: (text: string) => void;
}) {
  const id = useId();
  const { unit } = LIMIT_FIELDS[name];
  const problem = limitProblem(name, text);
  return (
    <>
      <Input
        aria-label={`${title}, at most${unit && `, in ${unit}`}`}
        className="num"
        inputMode="decimal"
        value={text}
        onChange={(event) => onText(event.target.value)}
        end={unit && <span className="text-faint">{unit}</span>}
        {...(problem ? { "aria-invalid": true, "aria-describedby": id } : {})}
      />
      {problem && (
        <p id={id} className="mt-1 text-xs text-danger">
          {problem}
        </p>
      )}
    </>
  );
}
