import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  Ban,
  Check,
  Cpu,
  Folder,
  Globe,
  GlobeOff,
  KeyRound,
  type LucideIcon,
  TriangleAlert,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { Install, InstallStep, ServerDetails } from "@/api/types";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/code";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { ErrorNote } from "@/components/notice";
import { Announce } from "@/components/page";
import { Said } from "@/components/said";
import { Dot } from "@/components/status";
import { Quoted, Wall } from "@/components/wall";
import { cx } from "@/lib/classes";
import { useNow } from "@/lib/now";
import { useAction } from "@/lib/use-action";
import { bytes, count, duration, list, sentence } from "@/lib/words";

/** What each step of an install is for people. */
const STEPS: Record<string, [title: string, note: string]> = {
  prepare: ["Make room", "A sandbox to install in, which reaches the package registry alone"],
  resolve: ["Find the package", "The version, and every package that it needs, with their hashes"],
  fetch: ["Download and check", "Every file has to match its published hash"],
  build: ["Build", "Without any network, and only what you agreed to"],
  check: ["Seal", "Its command is looked for, and nothing can be changed any more"],
};

/** How far an install is, with its log, and what it waits for. */
export function InstallView({ server }: { server: ServerDetails }) {
  const { install, status } = server;
  return (
    <div className="mt-6 grid gap-x-8 gap-y-6 lg:grid-cols-[minmax(0,1fr)_17rem]">
      <div className="min-w-0">
        <Announce>{announced(server)}</Announce>
        {install && (
          <ol>
            {install.steps.map((step, i) => (
              <Step
                key={step.name}
                step={step}
                isLast={i === install.steps.length - 1}
                note={stepNote(step, install, server)}
              >
                {status.state === "waiting_for_consent" && i === waitsAt(install) && (
                  <Consent server={server} />
                )}
                {step.state === "failed" && <Failed server={server} step={step} />}
              </Step>
            ))}
          </ol>
        )}
        {status.state === "install_failed" &&
          !install?.steps.some((it) => it.state === "failed") && <Failed server={server} />}
        {!install && status.state === "installing" && (
          <p className="flex items-center gap-2 text-muted">
            <Dot shape="busy" /> It waits for its turn
          </p>
        )}
      </div>
      <aside aria-label="What it may do">
        <h2 className="mb-2 font-semibold">What it may do</h2>
        <May server={server} />
        <p className="mt-3 border-t border-border pt-3 text-xs text-faint">
          You can close this page: the program goes on, and waits where it needs you. If you remove
          the server, nothing of it stays on this machine.
        </p>
      </aside>
    </div>
  );
}

function announced({ title, status, install }: ServerDetails): string {
  if (status.state === "waiting_for_consent") return `${title} asks you something`;
  if (status.state === "install_failed") return `${title} could not be installed`;
  const step = install?.steps.find((it) => it.state === "running");
  return step ? (STEPS[step.name]?.[0] ?? step.name) : "";
}

/** Returns the place of the step before which it waits. */
function waitsAt(install: Install): number {
  const at = install.steps.findIndex((it) => it.state !== "done" && it.state !== "skipped");
  return at < 0 ? install.steps.length - 1 : at;
}

function stepNote(step: InstallStep, install: Install, server: ServerDetails): ReactNode {
  const words = STEPS[step.name]?.[1];
  if (step.reason) {
    // The rest of it is the end of the log, which stands below as the server's words.
    const isQuoted = step.state === "failed" && step.log.trim() !== "";
    const reason = isQuoted ? (step.reason.split(": ")[0] ?? step.reason) : step.reason;
    return <Said text={sentence(reason)} />;
  }
  if (step.state !== "done") return words;
  if (step.name === "resolve" && install.resolved_version && server.source.kind === "package") {
    return `${server.source.name} ${install.resolved_version}`;
  }
  if (step.name === "check" && install.size_bytes) {
    return `${bytes(install.size_bytes)}, read-only from here on`;
  }
  return words;
}

function Step({
  step,
  isLast,
  note,
  children,
}: {
  step: InstallStep;
  isLast: boolean;
  note: ReactNode;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const isDone = step.state === "done" || step.state === "skipped";
  const now = useNow(1000);
  const ended = step.ended_at_ms ?? (step.state === "running" ? now : null);
  const took = step.started_at_ms && ended ? ended - step.started_at_ms : null;
  const title = STEPS[step.name]?.[0] ?? step.name;
  return (
    <li className="grid grid-cols-[20px_minmax(0,1fr)] gap-x-3.5">
      <span className="flex flex-col items-center gap-1">
        <StepShape state={step.state} />
        {!isLast && (
          <span
            aria-hidden="true"
            className={cx("w-[3px] flex-1 course", isDone && "course-done")}
          />
        )}
      </span>
      <div className="min-w-0 pb-4">
        <p className="flex items-baseline gap-3">
          <span
            className={cx(
              "flex-1 font-semibold",
              step.state === "pending" && "font-medium text-muted",
            )}
          >
            {title}
          </span>
          {step.log && (
            <button
              type="button"
              className="link text-xs"
              aria-expanded={open}
              aria-label={`Log of “${title}”`}
              onClick={() => setOpen(!open)}
            >
              Log
            </button>
          )}
          {took !== null && <span className="num text-xs text-faint">{duration(took)}</span>}
        </p>
        <div className="text-muted">{note}</div>
        {open && (
          <div className="mt-2 rounded-card bg-sunken p-3">
            <Wall>
              <Quoted text={step.log} mono terminal linesMax={40} />
            </Wall>
            <div className="mt-1 flex justify-end">
              <CopyButton text={step.log} label="Copy the log" />
            </div>
          </div>
        )}
        {children}
      </div>
    </li>
  );
}

function StepShape({ state }: { state: string }) {
  const [word, shape] =
    state === "done"
      ? ["Done", <Icon key="i" of={Check} className="text-accent-text" />]
      : state === "failed"
        ? ["Failed", <Icon key="i" of={TriangleAlert} className="text-danger" />]
        : state === "skipped"
          ? ["Left out", <Icon key="i" of={Ban} className="text-faint" />]
          : state === "running"
            ? ["Running", <Dot key="d" shape="busy" />]
            : ["To come", <Dot key="d" shape="idle" />];
  return (
    <span className="grid size-5 flex-none place-items-center">
      {shape}
      <span className="sr-only">{word}</span>
    </span>
  );
}

/** The question whether packages may run scripts of their own. */
function Consent({ server }: { server: ServerDetails }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const packages = server.status.packages?.length
    ? server.status.packages
    : (server.install?.build_scripts ?? []);
  const answer = (word: string, yes: boolean) =>
    run(word, async () => {
      await api.post("/api/v1/servers/{server}/consent", {
        path: { server: server.slug },
        body: { run: yes },
      });
      await client.invalidateQueries({ queryKey: keys.server(server.slug) });
    });
  return (
    <section
      aria-label="Scripts that packages want to run"
      className="mt-3 overflow-hidden rounded-card border border-[color-mix(in_oklab,var(--warning)_55%,var(--border))]"
    >
      <div className="flex flex-col gap-2 px-4 py-3">
        <Heading className="font-semibold">
          {count(packages.length, "package wants", "packages want")} to run scripts while installing
        </Heading>
        <Wall label="As the packages call themselves">
          <Quoted text={packages.join("\n")} mono />
        </Wall>
        <p className="text-muted">
          They would run in a sandbox without any network, without your folders and without your
          secrets. Some packages do not work without them, most do.
        </p>
        {error !== null && <ErrorNote error={error} />}
      </div>
      <footer className="flex flex-wrap gap-2 border-t border-border bg-sunken px-4 py-2.5">
        <Button
          busy={busy === "Going on" && busy}
          disabled={busy !== null}
          onClick={() => answer("Going on", false)}
        >
          Go on without them
        </Button>
        <Button
          look="primary"
          busy={busy === "Running them" && busy}
          disabled={busy !== null}
          onClick={() => answer("Running them", true)}
        >
          Run them
        </Button>
      </footer>
    </section>
  );
}

const LAST_LINES = 8;

function Failed({ server, step }: { server: ServerDetails; step?: InstallStep }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const log = (step?.log ?? "").trimEnd();
  const last = log.split("\n").slice(-LAST_LINES).join("\n");
  const retry = () =>
    run("Trying again", async () => {
      await api.post("/api/v1/servers/{server}/retry", { path: { server: server.slug } });
      await client.invalidateQueries({ queryKey: keys.server(server.slug) });
    });
  return (
    <section
      aria-label="What failed"
      className="mt-3 overflow-hidden rounded-card border border-[color-mix(in_oklab,var(--danger)_55%,var(--border))]"
    >
      <div className="flex flex-col gap-3 px-4 py-3">
        {!step && (
          <p>
            <Said text={sentence(server.install?.failure ?? server.status.reason ?? "It failed")} />
          </p>
        )}
        {last && (
          <Wall label="The last lines of its log">
            <Quoted text={last} mono terminal />
          </Wall>
        )}
        {error !== null && <ErrorNote error={error} />}
      </div>
      <footer className="flex flex-wrap items-center gap-2 border-t border-border bg-sunken px-4 py-2.5">
        <Button look="primary" busy={busy} onClick={retry}>
          Try again
        </Button>
        <Button asChild look="ghost">
          <Link to="/servers/add" search={{ from: server.slug }}>
            Change what it gets
          </Link>
        </Button>
        {server.install && server.install.attempt > 1 && (
          <span className="ms-auto text-xs text-faint">
            Tried {count(server.install.attempt, "time")}
          </span>
        )}
      </footer>
    </section>
  );
}

function May({ server }: { server: ServerDetails }) {
  const { egress, folders, secrets, limits } = server;
  return (
    <ul className="flex flex-col gap-2">
      <MayRow icon={egress.length ? Globe : GlobeOff}>
        {egress.length
          ? `Reach ${list(egress.map((it) => it.replace(/:443$/, "")))}`
          : "No network at all"}
      </MayRow>
      <MayRow icon={Folder}>
        {folders.length ? list(folders.map((it) => it.host)) : "No folders"}
      </MayRow>
      <MayRow icon={KeyRound}>{secrets.length ? `Read ${list(secrets)}` : "No secrets"}</MayRow>
      <MayRow icon={Cpu}>
        {count(limits.cpu_millis_max / 1000, "core")}, {bytes(limits.memory_bytes_max)}
      </MayRow>
    </ul>
  );
}

function MayRow({ icon, children }: { icon: LucideIcon; children: ReactNode }) {
  return (
    <li className="flex items-start gap-2.5 text-muted">
      <Icon of={icon} className="mt-0.5 text-faint" />
      <span className="min-w-0 [overflow-wrap:anywhere]">{children}</span>
    </li>
  );
}
