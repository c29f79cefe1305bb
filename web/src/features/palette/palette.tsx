import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type NavigateOptions, useNavigate } from "@tanstack/react-router";
import {
  Brain,
  Contrast,
  Cpu,
  Hand,
  Info,
  Keyboard,
  type LucideIcon,
  MessageSquare,
  Plug,
  Plus,
  ScrollText,
  Search,
  Server as ServerIcon,
  Settings,
  SquarePen,
  Wrench,
} from "lucide-react";
import { Dialog } from "radix-ui";
import { useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { chatsQuery, serversQuery, toolsQuery } from "@/api/queries";
import { Icon } from "@/components/icon";
import { Kbd } from "@/components/kbd";
import { cx } from "@/lib/classes";
import { FocusBack, useFocusBack } from "@/lib/focus-back";
import { keysOf, type ShortcutId } from "@/lib/keys";
import { found } from "@/lib/search";
import { setTheme, useTheme } from "@/lib/theme";
import { ago, humanName } from "@/lib/words";

interface Entry {
  key: string;
  group: string;
  icon: LucideIcon;
  words: string;
  note?: string;
  shortcut?: ShortcutId;
  run: () => void;
}

const SHOWN_MAX = 60;

/** Search over chats, servers, tools and places, and commands. */
export function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const query = useDeferredValue(text.trim());
  const entries = useEntries(query, onHelp);
  const list = useRef<HTMLDivElement>(null);
  const { focus, before } = useFocusBack();
  const id = useId();
  const shown = entries.slice(0, SHOWN_MAX);
  const chosen = Math.min(at, shown.length - 1);

  useEffect(() => {
    list.current?.querySelector(`[data-at="${chosen}"]`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 animate-appear bg-scrim p-4 pt-[12vh] max-md:p-2">
          <Dialog.Content
            {...focus}
            aria-describedby={undefined}
            className="mx-auto flex max-h-[70vh] w-full max-w-[38rem] animate-rise flex-col overflow-hidden rounded-dialog border border-border bg-raised shadow-dialog outline-none"
          >
            <FocusBack before={before} />
            <Dialog.Title className="sr-only">Search and go to</Dialog.Title>
            <label className="flex h-12 flex-none items-center gap-2.5 border-b border-border px-4">
              <Icon of={Search} className="text-faint" />
              <input
                role="combobox"
                aria-expanded="true"
                aria-controls={id}
                aria-activedescendant={shown[chosen] ? `${id}-${chosen}` : undefined}
                aria-label="Search chats, servers, tools and places"
                placeholder="Search chats, servers, tools and places"
                className="h-full min-w-0 flex-1 bg-transparent text-md outline-none"
                value={text}
                onChange={(event) => {
                  setText(event.target.value);
                  setAt(0);
                }}
                onKeyDown={(event) => {
                  const last = shown.length - 1;
                  if (event.key === "ArrowDown") setAt(chosen >= last ? 0 : chosen + 1);
                  else if (event.key === "ArrowUp") setAt(chosen <= 0 ? last : chosen - 1);
                  else if (event.key === "Enter" && !event.nativeEvent.isComposing)
                    run(shown[chosen]);
                  else return;
                  event.preventDefault();
                }}
              />
              <Kbd>Esc</Kbd>
            </label>
            <div
              ref={list}
              id={id}
              role="listbox"
              aria-label="Found"
              className="thin-scroll min-h-0 overflow-y-auto p-1.5"
            >
              {shown.map((it, i) => (
                <div key={it.key} role="presentation">
                  {it.group !== shown[i - 1]?.group && (
                    <p role="presentation" className="px-2.5 pt-2 pb-1 text-xs text-faint">
                      {it.group}
                    </p>
                  )}
                  {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys */}
                  <div
                    role="option"
                    id={`${id}-${i}`}
                    data-at={i}
                    tabIndex={-1}
                    aria-selected={i === chosen}
                    className={cx(
                      "flex min-h-9 items-center gap-2.5 rounded-control px-2.5 max-md:min-h-11",
                      i === chosen && "bg-press",
                    )}
                    onPointerMove={() => setAt(i)}
                    onClick={() => run(it)}
                  >
                    <Icon of={it.icon} className="text-faint" />
                    <span className="min-w-0 truncate" dir="auto">
                      {it.words}
                    </span>
                    <span
                      className={cx(
                        "min-w-0 flex-1 truncate text-xs",
                        i === chosen ? "text-muted" : "text-faint",
                      )}
                      dir="auto"
                    >
                      {it.note}
                    </span>
                    {it.shortcut && (
                      <Kbd className={cx("max-md:hidden", i === chosen && "text-muted")}>
                        {keysOf(it.shortcut)}
                      </Kbd>
                    )}
                  </div>
                </div>
              ))}
              {shown.length === 0 && (
                <p className="px-2.5 py-4 text-muted">Nothing is called that.</p>
              )}
            </div>
          </Dialog.Content>
        </Dialog.Overlay>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useEntries(query: string, onHelp: () => void): Entry[] {
  const chats = useInfiniteQuery(chatsQuery(query)).data;
  const { data: servers } = useQuery(serversQuery);
  const { data: tools } = useQuery({ ...toolsQuery, enabled: query.length > 1 });
  const go = useGo();
  const theme = useTheme();

  return useMemo(() => {
    const now = Date.now();
    const places = found(commands(go, onHelp, theme), query, (it) => it.words);
    const chatEntries = (chats?.pages[0]?.chats ?? []).slice(0, query ? 20 : 6).map(
      (it): Entry => ({
        key: `chat ${it.id}`,
        group: "Chats",
        icon: MessageSquare,
        words: it.title || "New chat",
        note: it.excerpt ?? ago(it.updated_at_ms, now),
        run: () => go({ to: "/chats/$chat", params: { chat: it.id } }),
      }),
    );
    const serverEntries = found(servers ?? [], query, (it) => `${it.title} ${it.slug}`).map(
      (it): Entry => ({
        key: `server ${it.id}`,
        group: "Servers",
        icon: ServerIcon,
        words: it.title,
        note: it.slug === it.title ? "" : it.slug,
        run: () => go({ to: "/servers/$server", params: { server: it.slug } }),
      }),
    );
    const toolEntries = found(
      query.length > 1 ? (tools ?? []) : [],
      query,
      (it) => `${it.name} ${humanName(it.name)}`,
    )
      .slice(0, 20)
      .map(
        (it): Entry => ({
          key: `tool ${it.advertised}`,
          group: "Tools",
          icon: Wrench,
          words: humanName(it.name),
          note: it.server,
          run: () =>
            go({
              to: "/servers/$server",
              params: { server: it.server },
              search: { tab: "tools", tool: it.name },
            }),
        }),
      );
    return query
      ? [...chatEntries, ...serverEntries, ...places, ...toolEntries]
      : [...places.slice(0, 5), ...chatEntries, ...serverEntries.slice(0, 6), ...places.slice(5)];
  }, [query, chats, servers, tools, go, onHelp, theme]);
}

type Go = (to: NavigateOptions) => void;

function useGo(): Go {
  const navigate = useNavigate();
  const latest = useRef(navigate);
  useEffect(() => {
    latest.current = navigate;
  });
  return useMemo(() => (to) => void latest.current(to), []);
}

function commands(go: Go, onHelp: () => void, theme: string): Entry[] {
  const place = (
    words: string,
    icon: LucideIcon,
    to: NavigateOptions,
    shortcut?: ShortcutId,
  ): Entry => ({
    key: words,
    group: "Go to",
    icon,
    words,
    run: () => go(to),
    ...(shortcut ? { shortcut } : {}),
  });
  return [
    place("New chat", SquarePen, { to: "/" }, "newChat"),
    place("Add a server", Plus, { to: "/servers/add" }),
    place("What waits for you", Hand, { to: "/approvals" }, "approvals"),
    place("Servers", ServerIcon, { to: "/servers" }),
    place("Memory", Brain, { to: "/memories" }),
    place("Models and providers", Cpu, { to: "/settings/$section", params: { section: "models" } }),
    place("Connected apps", Plug, { to: "/settings/$section", params: { section: "clients" } }),
    place("Permissions", Hand, { to: "/approvals", search: { tab: "permissions" } }),
    place("Audit", ScrollText, { to: "/audit" }),
    place("Settings", Settings, { to: "/settings" }, "settings"),
    place("About and diagnostics", Info, {
      to: "/settings/$section",
      params: { section: "about" },
    }),
    {
      key: "keyboard",
      group: "Do",
      icon: Keyboard,
      words: "Keyboard shortcuts",
      shortcut: "help",
      run: onHelp,
    },
    {
      key: "theme",
      group: "Do",
      icon: Contrast,
      words: theme === "dark" ? "Light theme" : "Dark theme",
      run: () => setTheme(theme === "dark" ? "light" : "dark"),
    },
  ];
}
