import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  Brain,
  Contrast,
  Cpu,
  Hand,
  type LucideIcon,
  Moon,
  PanelLeft,
  Plug,
  Plus,
  Search,
  SlidersHorizontal,
  SquarePen,
  Sun,
} from "lucide-react";
import type { ReactNode } from "react";
import { openApprovalsQuery, providersQuery, serversQuery, whoamiQuery } from "@/api/queries";
import { IconButton } from "@/components/button";
import { Icon } from "@/components/icon";
import { Kbd } from "@/components/kbd";
import { Mark } from "@/components/mark";
import { Dot } from "@/components/status";
import { Tip } from "@/components/tooltip";
import { cx } from "@/lib/classes";
import { keysOf } from "@/lib/keys";
import { useIsNarrow } from "@/lib/media";
import { stateWords } from "@/lib/server-words";
import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { initials } from "@/lib/words";
import { ChatList } from "./chat-list";
import { setLayout, toggleSidebar } from "./layout";

const ROW =
  "flex h-[30px] min-w-0 items-center gap-[9px] rounded-control px-2 text-muted no-underline hover:bg-hover hover:text-text aria-[current=page]:bg-press aria-[current=page]:font-medium aria-[current=page]:text-text max-md:h-10 -outline-offset-2 w-full text-start";

const closeDrawer = () => setLayout({ drawer: false });

/** Where one goes from anywhere: chats, servers, settings. */
export function Sidebar({ onSearch }: { onSearch: () => void }) {
  const narrow = useIsNarrow();
  return (
    <div className="flex h-full min-h-0 flex-col p-2">
      <div className="flex h-10 items-center gap-[9px] ps-2 pe-1 text-md font-semibold tracking-[-0.015em]">
        <Mark className="size-[22px]" />
        <span className="flex-1">Archestra</span>
        <IconButton
          icon={PanelLeft}
          label="Hide the sidebar"
          keys={keysOf("sidebar")}
          onClick={() => toggleSidebar(narrow)}
        />
      </div>
      <Link
        to="/"
        className={cx(ROW, "font-medium text-text")}
        activeOptions={{ exact: true }}
        onClick={closeDrawer}
      >
        <Icon of={SquarePen} className="text-accent-text" />
        <span className="flex-1">New chat</span>
        <Kbd className="max-md:hidden">{keysOf("newChat")}</Kbd>
      </Link>
      <button
        type="button"
        className={ROW}
        onClick={() => {
          closeDrawer();
          onSearch();
        }}
      >
        <Icon of={Search} className="text-faint" />
        <span className="flex-1">Search</span>
        <Kbd className="max-md:hidden">{keysOf("palette")}</Kbd>
      </button>
      <Waiting />
      <ChatList
        className="thin-scroll mt-1 min-h-0 flex-1 overflow-y-auto"
        rowClass={ROW}
        onGo={closeDrawer}
      />
      <Servers />
      <Place to="/memories" icon={Brain}>
        Memory
      </Place>
      <Models />
      <Me />
    </div>
  );
}

function Place({ to, icon, children }: { to: string; icon: LucideIcon; children: ReactNode }) {
  return (
    <Link to={to} className={ROW} onClick={closeDrawer}>
      <Icon of={icon} className="text-faint" />
      {children}
    </Link>
  );
}

/** What waits for a decision; nothing is there where nothing waits. */
function Waiting() {
  const { data } = useQuery(openApprovalsQuery);
  if (!data?.length) return null;
  return (
    <Link to="/approvals" className={ROW} onClick={closeDrawer}>
      <Icon of={Hand} className="text-warning" />
      <span className="flex-1">Waits for you</span>
      <span className="num inline-flex items-center gap-1.5 text-xs font-medium text-warning">
        <Dot shape="wait" />
        {data.length}
      </span>
    </Link>
  );
}

function Servers() {
  const { data: servers } = useQuery(serversQuery);
  return (
    <div className="mt-2 flex max-h-[38%] min-h-0 flex-none flex-col border-t border-border pb-1.5">
      <h2 className="mt-1.5 flex h-[26px] flex-none items-center ps-2 pe-0.5 text-xs leading-none font-medium text-faint">
        <Link
          to="/servers"
          className="flex-1 text-faint no-underline hover:text-text"
          onClick={closeDrawer}
        >
          MCP servers
        </Link>
        <Tip text="Add a server">
          <Link
            to="/servers/add"
            aria-label="Add a server"
            className="grid size-6 place-items-center rounded-control text-muted hover:bg-hover hover:text-text max-md:size-9"
            onClick={closeDrawer}
          >
            <Icon of={Plus} />
          </Link>
        </Tip>
      </h2>
      <ul className="thin-scroll min-h-0 overflow-y-auto">
        {servers?.map((server) => {
          const { shape, word, tone, normal } = stateWords(server);
          return (
            <li key={server.id}>
              <Link
                to="/servers/$server"
                params={{ server: server.slug }}
                className={ROW}
                onClick={closeDrawer}
              >
                <span className="grid w-4 flex-none place-items-center">
                  <Dot shape={shape} />
                </span>
                <span className="min-w-0 flex-1 truncate">{server.title}</span>
                <span
                  className={cx(
                    normal && "sr-only",
                    "flex-none text-xs font-normal",
                    tone === "warning"
                      ? "font-medium text-warning"
                      : tone === "danger"
                        ? "text-danger"
                        : "text-faint",
                  )}
                >
                  {word}
                </span>
              </Link>
            </li>
          );
        })}
      </ul>
      {servers?.length === 0 && (
        <Link to="/servers/add" className={ROW} onClick={closeDrawer}>
          <Icon of={Plug} className="text-faint" />
          Add your first server
        </Link>
      )}
    </div>
  );
}

function Models() {
  const { data: providers } = useQuery(providersQuery);
  const failed = providers?.some((it) => it.state === "failed");
  return (
    <Link
      to="/settings/$section"
      params={{ section: "models" }}
      className={ROW}
      onClick={closeDrawer}
    >
      <Icon of={Cpu} className="text-faint" />
      <span className="flex-1">Models</span>
      {failed && (
        <span className="inline-flex items-center gap-1.5 text-xs text-danger">
          <Dot shape="fail" />
          Fails
        </span>
      )}
    </Link>
  );
}

const THEMES: Record<Theme, { next: Theme; label: string; icon: LucideIcon }> = {
  system: { next: "light", label: "Theme: same as the system", icon: Contrast },
  light: { next: "dark", label: "Theme: light", icon: Sun },
  dark: { next: "system", label: "Theme: dark", icon: Moon },
};

function Me() {
  const { data: who } = useQuery(whoamiQuery);
  const theme = THEMES[useTheme()];
  const name = who?.principal ?? "";
  return (
    <div className="mt-2 flex h-[45px] flex-none items-center gap-[9px] border-t border-border ps-1.5 pt-2">
      <span
        aria-hidden="true"
        className="inline-grid size-6 flex-none place-items-center rounded-full bg-text text-[0.625rem] font-semibold tracking-[0.02em] text-surface"
      >
        {initials(name)}
      </span>
      <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
      <IconButton icon={theme.icon} label={theme.label} onClick={() => setTheme(theme.next)} />
      <Tip text="Settings" keys={keysOf("settings")}>
        <Link
          to="/settings"
          aria-label="Settings"
          className="grid size-(--control-sm) flex-none place-items-center rounded-control text-muted hover:bg-hover hover:text-text"
          onClick={closeDrawer}
        >
          <Icon of={SlidersHorizontal} />
        </Link>
      </Tip>
    </div>
  );
}
