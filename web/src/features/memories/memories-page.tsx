import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "@/api/client";
import { hearEvents } from "@/api/events";
import { keys, memoriesQuery } from "@/api/queries";
import type { MemoryBody } from "@/api/types";
import { Button, IconButton } from "@/components/button";
import { Card, Row } from "@/components/card";
import { Empty } from "@/components/empty";
import { Field, Input, SearchInput, Textarea } from "@/components/field";
import { Loaded } from "@/components/loaded";
import { ErrorNote, explain, Notice } from "@/components/notice";
import { Announce, PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { Quoted, QuotedLine } from "@/components/wall";
import { useNow } from "@/lib/now";
import { found } from "@/lib/search";
import { toast } from "@/lib/toasts";
import { useAction } from "@/lib/use-action";
import { ago, bytes, count } from "@/lib/words";

const NEW = Symbol("new");

/** What chats know of a person: seen, changed and deleted in one place. */
export function MemoriesPage() {
  useTitle("Memory");
  const query = useQuery(memoriesQuery);
  const [editing, setEditing] = useState<string | typeof NEW | null>(null);
  const [search, setSearch] = useState("");
  const news = useNews();
  return (
    <>
      <Topbar>
        <span className="flex-1 font-semibold">Memory</span>
        <Button small icon={Plus} onClick={() => setEditing(NEW)}>
          Remember something
        </Button>
      </Topbar>
      <PageBody>
        <PageTitle>Memory</PageTitle>
        <p className="mt-0.5 mb-4 max-w-[46rem] text-muted">
          What every new chat is told about you, as data and not as orders. Models can note, change
          and delete these with a tool, and so can you; whoever does it, it is seen here at once.
        </p>
        <Announce>{news}</Announce>
        {editing === NEW && <Editor onDone={() => setEditing(null)} />}
        <Loaded query={query} what="The memories">
          {(memories) => {
            const shown = found(memories, search, (it) => `${it.name} ${it.value}`);
            return (
              <>
                {memories.length > 0 && (
                  <div className="mb-3 flex flex-wrap items-center gap-3">
                    <SearchInput
                      label="Search memories"
                      value={search}
                      onChange={setSearch}
                      boxClassName="max-w-80 flex-1"
                    />
                    <span className="num text-xs text-faint">
                      {count(memories.length, "memory", "memories")}, {bytes(size(memories))}
                    </span>
                  </div>
                )}
                <Card>
                  {shown.map((it) =>
                    editing === it.name ? (
                      <Editor key={it.name} memory={it} onDone={() => setEditing(null)} />
                    ) : (
                      <Memory key={it.name} memory={it} onEdit={() => setEditing(it.name)} />
                    ),
                  )}
                  {memories.length === 0 && (
                    <Empty
                      title="Nothing is remembered"
                      action={
                        <Button icon={Plus} onClick={() => setEditing(NEW)}>
                          Remember something
                        </Button>
                      }
                    >
                      For instance how you like answers to be, or who is who in your team. Ask a
                      model to remember something, or write it here.
                    </Empty>
                  )}
                  {memories.length > 0 && shown.length === 0 && (
                    <Empty title="Nothing like that is remembered" />
                  )}
                </Card>
              </>
            );
          }}
        </Loaded>
      </PageBody>
    </>
  );
}

function size(memories: readonly MemoryBody[]): number {
  return new Blob(memories.flatMap((it) => [it.name, it.value])).size;
}

/** Returns what was changed last, whoever did it, for those who hear the page. */
function useNews(): string {
  const [news, setNews] = useState("");
  useEffect(
    () =>
      hearEvents((event) => {
        if (event.type === "memory_changed") setNews(`“${event.name}” is remembered`);
        if (event.type === "memory_removed") setNews(`“${event.name}” is forgotten`);
      }),
    [],
  );
  return news;
}

function Memory({ memory, onEdit }: { memory: MemoryBody; onEdit: () => void }) {
  const now = useNow(30_000);
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: keys.memories });
  const { name, value } = memory;
  const remove = async () => {
    try {
      await api.delete("/api/v1/memories/{name}", { path: { name } });
    } catch (error) {
      toast.failed(explain(error).message);
      return;
    }
    await again();
    toast.tell(`“${name}” is forgotten`, {
      label: "Undo",
      run: async () => {
        try {
          await api.put("/api/v1/memories/{name}", { path: { name }, body: { value } });
        } catch (error) {
          toast.failed(explain(error).message);
        }
        await again();
      },
    });
  };
  return (
    <Row
      top
      title={<QuotedLine text={name} />}
      note={<Quoted text={value} linesMax={8} charactersMax={800} className="text-text" />}
      actions={
        <>
          <span className="num text-xs text-faint">{ago(memory.updated_at_ms, now)}</span>
          <IconButton icon={Pencil} label={`Change ${name}`} onClick={onEdit} />
          <IconButton icon={Trash2} label={`Forget ${name}`} onClick={remove} />
        </>
      }
    />
  );
}

function Editor({ memory, onDone }: { memory?: MemoryBody; onDone: () => void }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [first] = useState(memory);
  const [name, setName] = useState(memory?.name ?? "");
  const [value, setValue] = useState(memory?.value ?? "");
  const isOther = memory && first && memory.value !== first.value;
  const save = async () => {
    const isDone = await run("Saving", () =>
      api.put("/api/v1/memories/{name}", { path: { name: name.trim() }, body: { value } }),
    );
    if (!isDone) return;
    await client.invalidateQueries({ queryKey: keys.memories });
    onDone();
  };
  return (
    <form
      aria-label={memory ? `Change ${memory.name}` : "Something to remember"}
      className={
        memory
          ? "flex flex-col gap-3 bg-sunken p-4"
          : "mb-4 flex flex-col gap-3 rounded-card border border-border p-4"
      }
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
      }}
    >
      {!memory && (
        <Field label="Name" hint="A few words that say what it is about">
          {(names) => (
            <Input
              {...names}
              autoFocus
              maxLength={120}
              placeholder="tone"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      )}
      <Field label={memory ? memory.name : "What to remember"}>
        {(names) => (
          <Textarea
            {...names}
            autoFocus={Boolean(memory)}
            rows={Math.min(12, Math.max(3, value.split("\n").length + 1))}
            placeholder="Write to me in short sentences"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        )}
      </Field>
      {isOther && (
        <Notice tone="warning" live title="It was changed meanwhile.">
          <Quoted text={memory.value} linesMax={6} />
        </Notice>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={busy} disabled={!name.trim() || !value.trim()}>
          {isOther ? "Save mine" : "Save"}
        </Button>
        <Button look="ghost" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
