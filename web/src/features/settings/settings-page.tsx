import { Link, useNavigate } from "@tanstack/react-router";
import {
  Brain,
  Cpu,
  Hand,
  Info,
  type LucideIcon,
  Plug,
  ScrollText,
  SlidersHorizontal,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { SearchInput } from "@/components/field";
import { Icon } from "@/components/icon";
import { PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { found } from "@/lib/search";
import { ENTRIES, type Entry } from "./entries";

const SECTIONS: Record<string, { title: string; note: string }> = {
  general: { title: "General", note: "How this page looks and behaves in this browser." },
  models: {
    title: "Models",
    note: "Use models on this machine, elsewhere, or both. Every chat says which one answers, and from where.",
  },
  clients: {
    title: "Connected apps",
    note: "Give other programs your servers through one address. Their calls follow the same rules, ask you the same way, and are in the same audit.",
  },
  about: { title: "About", note: "This program, and what it needs of this machine." },
};

const PLACES: ReadonlyArray<
  readonly [to: string, title: string, icon: LucideIcon, search?: Record<string, string>]
> = [
  ["/settings/general", "General", SlidersHorizontal],
  ["/settings/models", "Models", Cpu],
  ["/settings/clients", "Connected apps", Plug],
  ["/approvals", "Permissions", Hand, { tab: "permissions" }],
  ["/memories", "Memory", Brain],
  ["/audit", "Audit", ScrollText],
  ["/settings/about", "About", Info],
];

/** The frame of all settings: where one is, where else one can go, and a search over all. */
export function SettingsPage({ section, children }: { section: string; children: ReactNode }) {
  const { title, note } = SECTIONS[section] ?? { title: "Settings", note: "" };
  useTitle(title);
  const [search, setSearch] = useState("");
  const results = search.trim() ? found(ENTRIES, search, (it) => `${it.title} ${it.words}`) : null;
  return (
    <>
      <Topbar>
        <span className="flex-1 font-semibold">Settings</span>
        <SearchInput
          label="Search settings"
          value={search}
          onChange={setSearch}
          boxClassName="h-(--control-sm) max-w-56 max-md:max-w-44"
        />
      </Topbar>
      <PageBody>
        <div className="grid gap-x-8 gap-y-4 md:grid-cols-[12rem_minmax(0,1fr)]">
          <nav
            aria-label="Settings"
            className="flex gap-0.5 max-md:-mx-4 max-md:overflow-x-auto max-md:px-4 md:flex-col [scrollbar-width:none]"
          >
            {PLACES.map(([to, words, icon, search = {}]) => (
              <Link
                key={to}
                to={to}
                search={search}
                activeOptions={{ exact: true }}
                className="flex h-8 flex-none items-center gap-2.5 rounded-control px-2.5 whitespace-nowrap text-muted no-underline -outline-offset-2 hover:bg-hover hover:text-text aria-[current=page]:bg-press aria-[current=page]:font-medium aria-[current=page]:text-text max-md:h-10"
              >
                <Icon of={icon} className="text-faint" />
                {words}
              </Link>
            ))}
          </nav>
          <div className="min-w-0">
            {results ? (
              <Results results={results} onGo={() => setSearch("")} />
            ) : (
              <>
                <PageTitle>{title}</PageTitle>
                <p className="mt-0.5 mb-5 max-w-[40rem] text-muted">{note}</p>
                {children}
              </>
            )}
          </div>
        </div>
      </PageBody>
    </>
  );
}

function Results({ results, onGo }: { results: readonly Entry[]; onGo: () => void }) {
  const navigate = useNavigate();
  return (
    <section aria-label="Found settings">
      <PageTitle className="mb-3">Found</PageTitle>
      <ul>
        {results.map((it) => (
          <li key={it.title}>
            <a
              href={it.to}
              className="flex h-9 items-center rounded-control px-2.5 text-text no-underline hover:bg-hover max-md:h-11"
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                onGo();
                void navigate({ href: it.to });
              }}
            >
              {it.title}
            </a>
          </li>
        ))}
      </ul>
      {results.length === 0 && <p className="text-muted">No setting is called that.</p>}
    </section>
  );
}
