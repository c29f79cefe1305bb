import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import {
  Box,
  ChevronRight,
  Cloud,
  Copy,
  Ellipsis,
  Folder,
  Globe,
  GlobeOff,
  KeyRound,
  type LucideIcon,
  Pause,
  Play,
  RotateCw,
  SlidersHorizontal,
  Trash2,
  User,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { ApiFailure, api } from "@/api/client";
import { keys, serverQuery } from "@/api/queries";
import type { ServerDetails } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { BelowHeading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { Menu, MenuItem, MenuLine } from "@/components/menu";
import { ErrorNote, Notice } from "@/components/notice";
import { PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { Said } from "@/components/said";
import { Count, TabBar, tabClass } from "@/components/tabs";
import { Tile } from "@/components/tile";
import { Quoted } from "@/components/wall";
import { copyText } from "@/lib/copy";
import { stateWords } from "@/lib/server-words";
import { toast } from "@/lib/toasts";
import { type Action, useAction } from "@/lib/use-action";
import { count, sentence } from "@/lib/words";
import { AccessTab } from "./access-tab";
import { InstallView } from "./install-view";
import { LastCall } from "./last-call";
import { LimitsTab } from "./limits-tab";
import { LogsTab } from "./logs-tab";
import { RemoveServer } from "./remove-server";
import { SettingsTab } from "./settings-tab";
import { hostsOf, sourceName, sourceWords } from "./source-words";
import { ToolsTab } from "./tools-tab";

const TABS = [
  ["tools", "Tools"],
  ["logs", "Logs"],
  ["access", "Access"],
  ["limits", "Limits"],
  ["settings", "Settings"],
] as const;

const UNFINISHED = ["installing", "waiting_for_consent", "install_failed"];
const INSTALL_LOOK_MS = 1000;

interface Props {
  slug: string;
  tab?: string | undefined;
  tool?: string | undefined;
}

/** One server: how it is, what it can do, what it reaches, what it says. */
export function ServerPage({ slug, tab = "tools", tool }: Props) {
  const query = useQuery({
    ...serverQuery(slug),
    // Steps come over the events; the log of the step that runs does not.
    refetchInterval: ({ state }) =>
      state.data?.status.state === "installing" ? INSTALL_LOOK_MS : false,
  });
  const isGone = query.error instanceof ApiFailure && query.error.status === 404;
  useTitle(query.data?.title ?? "Server");
  if (isGone) return <Gone slug={slug} />;
  return (
    <>
      <Topbar>
        <nav aria-label="Where this is" className="flex min-w-28 flex-1 items-center gap-2">
          <Link to="/servers" className="flex-none text-muted no-underline hover:text-text">
            MCP servers
          </Link>
          <Icon of={ChevronRight} size="sm" className="text-faint" />
          <span className="truncate font-semibold">{query.data?.title ?? slug}</span>
        </nav>
        {query.data && <LastCall server={query.data} />}
        {query.data && <More server={query.data} />}
      </Topbar>
      <PageBody>
        <Loaded query={query} what="The server">
          {(server) => <Page server={server} tab={tab} tool={tool} />}
        </Loaded>
      </PageBody>
    </>
  );
}

function Gone({ slug }: { slug: string }) {
  return (
    <PageBody>
      <PageTitle>There is no server “{slug}”</PageTitle>
      <p className="mt-1 mb-4 text-muted">It was removed, or never had this name.</p>
      <Button asChild>
        <Link to="/servers">Look at all servers</Link>
      </Button>
    </PageBody>
  );
}

function Page({
  server,
  tab,
  tool,
}: {
  server: ServerDetails;
  tab: string;
  tool: string | undefined;
}) {
  const action = useAction();
  const unfinished = UNFINISHED.includes(server.status.state);
  const label = TABS.find(([key]) => key === tab)?.[1] ?? "Tools";
  return (
    <>
      <Header server={server} action={action} unfinished={unfinished} />
      {action.error !== null && <ErrorNote className="mt-4" error={action.error} />}
      {unfinished ? (
        <InstallView server={server} />
      ) : (
        <>
          <Trouble server={server} action={action} />
          <div className="mt-5">
            <TabBar label={`Parts of ${server.title}`}>
              {TABS.map(([key, label]) => (
                <Link
                  key={key}
                  to="/servers/$server"
                  params={{ server: server.slug }}
                  search={{ tab: key }}
                  replace
                  activeProps={{}}
                  activeOptions={{ exact: true, includeSearch: true }}
                  className={tabClass}
                  aria-current={key === tab ? "page" : undefined}
                >
                  {label}
                  {key === "tools" && <Count>{server.tools}</Count>}
                </Link>
              ))}
            </TabBar>
          </div>
          <h2 className="sr-only">{label}</h2>
          <div className="mt-5">
            <BelowHeading>
              {tab === "logs" ? (
                <LogsTab key={server.id} server={server} />
              ) : tab === "access" ? (
                <AccessTab server={server} />
              ) : tab === "limits" ? (
                <LimitsTab server={server} />
              ) : tab === "settings" ? (
                <SettingsTab server={server} />
              ) : (
                <ToolsTab server={server} chosen={tool} />
              )}
            </BelowHeading>
          </div>
        </>
      )}
    </>
  );
}

function Header({
  server,
  action: { busy, run },
  unfinished,
}: {
  server: ServerDetails;
  action: Action;
  unfinished: boolean;
}) {
  const { shape, word, tone } = stateWords(server);
  const client = useQueryClient();
  const path = { server: server.slug };
  const again = () => client.invalidateQueries({ queryKey: keys.server(server.slug) });
  const restart = () =>
    run("Restarting", async () => {
      await api.post("/api/v1/servers/{server}/restart", { path });
      await again();
    });
  const toggle = () =>
    run(server.enabled ? "Stopping" : "Starting", async () => {
      if (server.enabled) await api.post("/api/v1/servers/{server}/disable", { path });
      else await api.post("/api/v1/servers/{server}/enable", { path });
      await again();
    });
  const version =
    server.install?.resolved_version ??
    (server.source.kind === "package" ? server.source.version : null);
  return (
    <header>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-3">
        <Tile name={server.title} size="lg" />
        <div className="min-w-0 flex-1 basis-60">
          <PageTitle className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
            {server.title}
            <Badge tone={tone} dot={shape}>
              {word}
            </Badge>
          </PageTitle>
          <p className="flex flex-wrap gap-x-4 text-muted [overflow-wrap:anywhere]">
            <span>
              {sourceWords(server.source)} <code>{bareName(server)}</code>
            </span>
            {version && <span>Version {version}</span>}
            {server.install?.integrity && <span>pinned by hash</span>}
          </p>
        </div>
        <div className="flex flex-wrap gap-2 max-sm:w-full max-sm:*:flex-1">
          {server.enabled && !unfinished && (
            <Button
              icon={RotateCw}
              busy={busy === "Restarting" && busy}
              disabled={busy !== null}
              onClick={restart}
            >
              Restart
            </Button>
          )}
          {!unfinished && (
            <Button
              icon={server.enabled ? Pause : Play}
              busy={busy !== "Restarting" && busy}
              disabled={busy !== null}
              onClick={toggle}
            >
              {server.enabled ? "Stop" : "Start"}
            </Button>
          )}
        </div>
      </div>
      {!unfinished && <Sandbox server={server} />}
    </header>
  );
}

function bareName({ source }: ServerDetails): string {
  return source.kind === "package" ? source.name : sourceName(source);
}

/** What it is held to, in one line. */
function Sandbox({ server }: { server: ServerDetails }) {
  const hosts = hostsOf(server);
  if (server.source.kind === "remote") {
    return (
      <ul className="mt-3.5 flex flex-wrap gap-x-5 gap-y-1.5">
        <Fact icon={Cloud}>Runs elsewhere, in no sandbox of yours</Fact>
        <Fact icon={KeyRound}>{count(server.headers.length, "sealed header")}</Fact>
      </ul>
    );
  }
  return (
    <ul className="mt-3.5 flex flex-wrap gap-x-5 gap-y-1.5 max-sm:grid max-sm:grid-cols-2 max-sm:gap-x-3 max-sm:*:last:col-span-2">
      <Fact icon={Box}>Own container</Fact>
      <Fact icon={hosts.length ? Globe : GlobeOff}>
        {hosts.length ? `Reaches ${count(hosts.length, "host")}` : "No network"}
      </Fact>
      <Fact icon={KeyRound}>
        {server.secrets.length ? count(server.secrets.length, "secret") : "No secrets"}
      </Fact>
      <Fact icon={Folder}>
        {server.folders.length ? count(server.folders.length, "folder") : "No folders"}
      </Fact>
      <Fact icon={User}>
        {server.isolation === "principal" ? "One process per person" : "One process for all"}
      </Fact>
    </ul>
  );
}

function Fact({ icon, children }: { icon: LucideIcon; children: ReactNode }) {
  return (
    <li className="inline-flex items-center gap-2 text-muted">
      <Icon of={icon} className="text-sandbox" />
      {children}
    </li>
  );
}

/** Why it does not run, and what this machine cannot hold it to. */
function Trouble({ server, action: { busy, run } }: { server: ServerDetails; action: Action }) {
  const client = useQueryClient();
  const { state, reason } = server.status;
  const restart = () =>
    run("Restarting", async () => {
      await api.post("/api/v1/servers/{server}/restart", { path: { server: server.slug } });
      await client.invalidateQueries({ queryKey: keys.server(server.slug) });
    });
  return (
    <div className="mt-4 flex flex-col gap-3 empty:hidden">
      {state === "failed" && (
        <Notice
          tone="danger"
          live
          title="It does not run."
          actions={
            <>
              <Button small busy={busy === "Restarting" && busy} onClick={restart}>
                Restart it
              </Button>
              <Button small look="ghost" asChild>
                <Link
                  to="/servers/$server"
                  params={{ server: server.slug }}
                  search={{ tab: "logs" }}
                >
                  Look at its log
                </Link>
              </Button>
            </>
          }
        >
          <Quoted
            text={sentence(reason ?? "It stopped without saying why")}
            terminal
            linesMax={8}
          />
        </Notice>
      )}
      {!server.enabled && (
        <Notice title="It is stopped.">
          Its tools are not offered to chats and other programs until you start it.
        </Notice>
      )}
      {server.warnings.map((it) => (
        <Notice key={it} tone="warning">
          <Said text={sentence(it)} />
        </Notice>
      ))}
    </div>
  );
}

function More({ server }: { server: ServerDetails }) {
  const navigate = useNavigate();
  const [removing, setRemoving] = useState(false);
  const address = new URL(server.path, location.href).href;
  return (
    <>
      <Menu trigger={<IconButton icon={Ellipsis} label={`More for ${server.title}`} tip={false} />}>
        <MenuItem
          icon={Copy}
          onSelect={async () => {
            if (await copyText(address)) toast.done("Copied");
            else toast.failed(`The browser did not let the page copy ${address}`);
          }}
        >
          Copy its address for clients
        </MenuItem>
        <MenuItem
          icon={SlidersHorizontal}
          onSelect={() => void navigate({ to: "/servers/add", search: { from: server.slug } })}
        >
          Change what it gets…
        </MenuItem>
        <MenuLine />
        <MenuItem icon={Trash2} danger onSelect={() => setRemoving(true)}>
          Remove…
        </MenuItem>
      </Menu>
      <RemoveServer server={server} open={removing} onOpenChange={setRemoving} />
    </>
  );
}
