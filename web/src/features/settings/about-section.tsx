import { useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleX, type LucideIcon, RotateCw, TriangleAlert } from "lucide-react";
import { doctorQuery, statusQuery } from "@/api/queries";
import type { Finding, SystemStatus } from "@/api/types";
import { Button } from "@/components/button";
import { Card, Facts, Section } from "@/components/card";
import { CopyButton } from "@/components/code";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { Mark } from "@/components/mark";
import { Said } from "@/components/said";
import { cx } from "@/lib/classes";
import { count, duration, humanName, sentence } from "@/lib/words";

/** What this program is, how it stands, and what this machine lacks. */
export function AboutSection() {
  const status = useQuery({ ...statusQuery, refetchInterval: 10_000 });
  const doctor = useQuery(doctorQuery);
  return (
    <>
      <Loaded query={status} what="How the program stands" rows={1}>
        {(it) => (
          <div className="flex items-start gap-5">
            <Mark className="size-12 flex-none" />
            <div className="min-w-0 flex-1">
              <h2 className="mb-2 text-lg font-semibold">Archestra {it.version}</h2>
              <Facts facts={facts(it)} />
            </div>
            <CopyButton
              text={() => report(it, doctor.data?.findings ?? [])}
              label="Copy all of it for a report"
            />
          </div>
        )}
      </Loaded>
      <Section
        title="Diagnostics"
        hint="What was looked at on this machine, and what to do about what is not well."
        action={
          <Button
            icon={RotateCw}
            busy={doctor.isFetching && "Looking"}
            onClick={() => doctor.refetch()}
          >
            Look again
          </Button>
        }
      >
        <Loaded query={{ ...doctor, data: doctor.data?.findings }} what="The diagnostics">
          {(findings) => (
            <Card role="list" aria-label="Findings">
              {findings.map((it) => (
                <Row key={`${it.check} ${it.message}`} finding={it} />
              ))}
            </Card>
          )}
        </Loaded>
      </Section>
      <p className="mt-6 text-xs text-faint">
        Free software under the Apache License 2.0. Nothing is reported to anybody.
      </p>
    </>
  );
}

function facts({ uptime_s: uptime, addresses, servers, tools, sessions }: SystemStatus) {
  return [
    ["Runs since", duration(uptime * 1000)],
    [
      "Answers at",
      <span key="a" className="flex flex-col">
        {addresses.map((it) => (
          <code key={it}>{it}</code>
        ))}
      </span>,
    ],
    ["Servers", `${count(servers.total, "server")}, ${servers.running} running`],
    ["Tools", count(tools, "tool")],
    ["Apps", count(sessions, "open connection")],
  ] as Array<[string, React.ReactNode]>;
}

const LEVELS: Record<Finding["level"], [icon: LucideIcon, ink: string, word: string]> = {
  ok: [CircleCheck, "text-success", "Well"],
  warning: [TriangleAlert, "text-warning", "Look at this"],
  problem: [CircleX, "text-danger", "Problem"],
};

function Row({ finding: { check, level, message, fix } }: { finding: Finding }) {
  const [icon, ink, word] = LEVELS[level];
  return (
    <div role="listitem" className="grid grid-cols-[20px_minmax(0,1fr)] gap-x-3 px-4 py-2.5">
      <span>
        <Icon of={icon} className={cx("mt-0.5", ink)} />
        <span className="sr-only">{word}: </span>
      </span>
      <div className="min-w-0 [overflow-wrap:anywhere]">
        <Heading className="font-semibold">{humanName(check)}</Heading>
        <p className="text-muted">
          <Said text={sentence(message)} />
        </p>
        {fix && level !== "ok" && (
          <p>
            <Said text={sentence(fix)} />
          </p>
        )}
      </div>
    </div>
  );
}

/** Returns what somebody who helps wants to know; no secret and no name is in it. */
function report(status: SystemStatus, findings: readonly Finding[]): string {
  return [
    `Archestra ${status.version}, for ${duration(status.uptime_s * 1000)}`,
    `${status.servers.total} servers (${status.servers.running} running, ${status.servers.failed} failed), ${status.tools} tools`,
    navigator.userAgent,
    ...findings.map(
      (it) => `${it.level} ${it.check}: ${it.message}${it.fix ? ` (${it.fix})` : ""}`,
    ),
    "",
  ].join("\n");
}
