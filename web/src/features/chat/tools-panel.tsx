import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Wrench } from "lucide-react";
import { useMemo, useState } from "react";
import { api } from "@/api/client";
import { chatToolsQuery, keys, serversQuery, toolsQuery } from "@/api/queries";
import type { ChatToolBody } from "@/api/types";
import { Button } from "@/components/button";
import { Checkbox, SearchInput } from "@/components/field";
import { Icon } from "@/components/icon";
import { ErrorNote, explain } from "@/components/notice";
import { Popover } from "@/components/popover";
import { useShortcut } from "@/lib/keys";
import { found } from "@/lib/search";
import { toast } from "@/lib/toasts";
import { toolTitle } from "@/lib/tool-words";
import { count, thousands } from "@/lib/words";

/** More of them make most models worse at choosing. */
const MANY = 40;

/** Which tools the model may want in this chat. Switching one on allows nothing by itself. */
export function ToolsPanel({ chat }: { chat: string }) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const { data, error, refetch } = useQuery(chatToolsQuery(chat));
  useShortcut("tools", () => setOpen((it) => !it));
  const on = data?.tools.filter((it) => it.enabled) ?? [];
  const tokens = on.reduce((sum, it) => sum + it.tokens, 0);

  const set = async (tools: readonly ChatToolBody[], enabled: boolean) => {
    const key = keys.chatTools(chat);
    const changed = new Set(tools.map((it) => `${it.server} ${it.tool}`));
    // Shown at once; the answer puts right what did not hold.
    client.setQueryData(
      chatToolsQuery(chat).queryKey,
      (it) =>
        it && {
          ...it,
          tools: it.tools.map((tool) =>
            changed.has(`${tool.server} ${tool.tool}`) ? { ...tool, enabled } : tool,
          ),
        },
    );
    try {
      const body = { tools: tools.map(({ server, tool }) => ({ server, tool, enabled })) };
      await api.put("/api/v1/chats/{chat}/tools", { path: { chat }, body });
    } catch (caught) {
      toast.failed(explain(caught).message);
    }
    await client.invalidateQueries({ queryKey: key });
  };

  return (
    <Popover
      label="Tools of this chat"
      open={open}
      onOpenChange={setOpen}
      className="w-[25rem]"
      trigger={
        <button
          type="button"
          aria-label={`Tools: ${on.length} on, ${count(tokens, "token")}`}
          className="inline-flex h-(--control-sm) items-center gap-1.5 rounded-control px-2 font-medium whitespace-nowrap text-muted hover:bg-hover hover:text-text aria-expanded:bg-press"
        >
          <Icon of={Wrench} />
          <span className="@max-[34rem]:hidden">Tools:</span>{" "}
          <span className="num text-xs font-normal">{data ? on.length : "…"}</span>
        </button>
      }
    >
      {error && !data ? (
        <div className="p-3">
          <ErrorNote error={error} fix={{ label: "Try again", run: () => void refetch() }} />
        </div>
      ) : (
        <ToolList tools={data?.tools ?? []} tokens={tokens} onSet={set} />
      )}
    </Popover>
  );
}

function ToolList({
  tools,
  tokens,
  onSet,
}: {
  tools: readonly ChatToolBody[];
  tokens: number;
  onSet: (tools: readonly ChatToolBody[], enabled: boolean) => Promise<void>;
}) {
  const [query, setQuery] = useState("");
  const { data: servers } = useQuery(serversQuery);
  const { data: known } = useQuery(toolsQuery);
  const titles = useMemo(
    () =>
      new Map(known?.map((it) => [`${it.server} ${it.name}`, toolTitle(it.definition, it.name)])),
    [known],
  );
  const title = (it: ChatToolBody) =>
    titles.get(`${it.server} ${it.tool}`) ?? toolTitle(null, it.tool);
  const serverTitle = (slug: string) =>
    servers?.find((it) => it.slug === slug)?.title ?? (slug === "archestra" ? "Archestra" : slug);
  const shown = found(tools, query, (it) => `${title(it)} ${it.tool} ${serverTitle(it.server)}`);
  const groups = [...new Set(shown.map((it) => it.server))];
  const on = tools.filter((it) => it.enabled).length;

  if (!tools.length) {
    return (
      <div className="flex flex-col items-start gap-2 p-4">
        <p className="text-muted">There are no tools yet. Add a server, and its tools are here.</p>
        <Button asChild small>
          <Link to="/servers/add">Add a server</Link>
        </Button>
      </div>
    );
  }
  return (
    <>
      <div className="border-b border-border p-2">
        <SearchInput
          label={`Find one of ${count(tools.length, "tool")}`}
          value={query}
          onChange={setQuery}
        />
      </div>
      <div className="thin-scroll max-h-[24rem] min-h-0 overflow-y-auto p-1.5">
        {groups.map((server) => {
          const its = shown.filter((it) => it.server === server);
          const enabled = its.filter((it) => it.enabled).length;
          return (
            <section key={server} className="pb-1">
              <h3 className="flex items-center gap-2 px-2 font-semibold">
                <Checkbox
                  label={serverTitle(server)}
                  className="flex-1"
                  checked={enabled === 0 ? false : enabled === its.length ? true : "indeterminate"}
                  onCheckedChange={(next) => void onSet(its, next !== false)}
                />
                <span className="num text-xs font-normal text-faint">
                  {enabled} of {its.length}
                </span>
              </h3>
              {its.map((it) => (
                <div
                  key={it.tool}
                  className="flex items-center gap-2 rounded-[6px] ps-8 pe-2 hover:bg-hover"
                >
                  <Checkbox
                    label={title(it)}
                    className="flex-1"
                    checked={it.enabled}
                    onCheckedChange={(next) => void onSet([it], next === true)}
                  />
                  <span className="num text-xs text-faint">{thousands(it.tokens)}</span>
                </div>
              ))}
            </section>
          );
        })}
        {!groups.length && <p className="px-2 py-3 text-muted">No tool is called that.</p>}
      </div>
      <footer className="flex items-center gap-2 border-t border-border px-3 py-2 text-xs text-faint">
        <span className="num flex-1">
          {on} on, about {count(tokens, "token")} in each request
          {on > MANY && <span className="text-warning">. So many make models choose badly</span>}
        </span>
        <Button small look="ghost" onClick={() => void onSet(tools, false)} disabled={on === 0}>
          None
        </Button>
        <Button
          small
          look="ghost"
          onClick={() => void onSet(tools, true)}
          disabled={on === tools.length}
        >
          All
        </Button>
      </footer>
    </>
  );
}
