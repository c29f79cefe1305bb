import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { LockKeyhole } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { Field, Input, Switch, Textarea } from "@/components/field";
import { Icon } from "@/components/icon";
import { ErrorNote, Notice } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { Tile } from "@/components/tile";
import { toast } from "@/lib/toasts";
import { useAction } from "@/lib/use-action";
import { count, list } from "@/lib/words";
import {
  bodyOf,
  type Change,
  type Draft,
  missing,
  problems,
  secretNames,
  shortName,
  slugOf,
} from "./draft";
import { Folders, Hosts, Pairs } from "./review-parts";

/** All that a server gets, to be seen and changed before anything is downloaded. */
export function Review({
  draft: first,
  replaces,
  stays = false,
  onClose,
}: {
  draft: Draft;
  /** The slug of the server that is removed for it. */
  replaces?: string;
  /** Others wait to be added on the same page. */
  stays?: boolean;
  onClose: () => void;
}) {
  const [draft, setDraft] = useState(first);
  const [removed, setRemoved] = useState(false);
  const { busy, error, run } = useAction();
  const client = useQueryClient();
  const navigate = useNavigate();
  const change: Change = (it) => setDraft((before) => ({ ...before, ...it }));
  const wrong = problems(draft);
  const [firstWrong] = Object.values(wrong);
  const name = draft.title.trim() || shortName(draft.source);
  const remote = draft.source.kind === "remote";

  const add = () =>
    run(replaces ? "Installing again" : "Adding", async () => {
      if (replaces && !removed) {
        await api.delete("/api/v1/servers/{server}", { path: { server: replaces } });
        setRemoved(true);
      }
      const { slug } = await api.post("/api/v1/servers", { body: bodyOf(draft) });
      await client.invalidateQueries({ queryKey: keys.servers });
      client.removeQueries({ queryKey: keys.server(slug) });
      onClose();
      if (stays) toast.done(`${name} is being installed`);
      else await navigate({ to: "/servers/$server", params: { server: slug } });
    });

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      wide
      lead={<Tile name={name} />}
      title={replaces ? `Install ${name} again?` : `Add ${name}?`}
      note={
        remote
          ? "It runs on somebody else’s machine"
          : "Archestra has not checked who publishes this package"
      }
      footer={
        <>
          <span className="min-w-0 flex-1 text-xs text-faint max-sm:basis-full">
            {remote ? "Nothing has been sent yet" : "Nothing has been downloaded yet"}
          </span>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={busy} disabled={firstWrong !== undefined} onClick={add}>
            {replaces ? "Remove and install again" : `Add ${name}`}
          </Button>
        </>
      }
    >
      <div className="divide-y divide-border">
        {(error !== null || draft.notes.length > 0 || removed) && (
          <div className="flex flex-col gap-2 px-5 py-3">
            {error !== null && <ErrorNote error={error} title="It could not be added." />}
            {removed && <Notice tone="warning">The one before is removed already.</Notice>}
            {draft.notes.map((it) => (
              <Notice key={it} tone="warning">
                {it}
              </Notice>
            ))}
          </div>
        )}
        {remote ? (
          <RemoteParts draft={draft} change={change} wrong={wrong.values} />
        ) : (
          <PackageParts draft={draft} change={change} wrong={wrong} />
        )}
        <Names draft={draft} change={change} wrong={wrong} fixed={replaces !== undefined} />
      </div>
    </Dialog>
  );
}

function Part({
  title,
  note,
  children,
}: {
  title: string;
  note?: string | undefined;
  children: ReactNode;
}) {
  return (
    <section
      aria-label={title}
      className="grid gap-x-5 gap-y-2 px-5 py-3.5 md:grid-cols-[8.5rem_minmax(0,1fr)]"
    >
      <div>
        <h3 className="font-semibold">{title}</h3>
        {note && <p className="text-xs text-faint">{note}</p>}
      </div>
      <div className="flex min-w-0 flex-col gap-2">{children}</div>
    </section>
  );
}

type Wrong = ReturnType<typeof problems>;

function RemoteParts({
  draft,
  change,
  wrong,
}: {
  draft: Draft;
  change: Change;
  wrong: string | undefined;
}) {
  const url = draft.source.kind === "remote" ? draft.source.url : "";
  return (
    <>
      <Part title="Runs" note="not on this machine">
        <code className="rounded-control bg-sunken px-2.5 py-2 [overflow-wrap:anywhere]">
          {url}
        </code>
        <p className="text-muted">
          Nothing is installed. What its tools are called with goes to this address, and leaves this
          machine.
        </p>
      </Part>
      <Part title="Secrets" note="sealed, sent to this address only">
        <Pairs
          of="header"
          pairs={draft.headers}
          onChange={(headers) => change({ headers })}
          alwaysSecret
        />
        {wrong && <p className="text-xs text-danger">{wrong}</p>}
      </Part>
    </>
  );
}

function PackageParts({ draft, change, wrong }: { draft: Draft; change: Change; wrong: Wrong }) {
  const secrets = secretNames(draft);
  const open = missing(draft);
  return (
    <>
      <Part title="Runs" note="in a sandbox of its own">
        <Runs draft={draft} change={change} />
      </Part>
      <Part title="May reach" note={draft.egress.length ? "and nothing else" : undefined}>
        <Hosts draft={draft} change={change} />
        {wrong.egress && <p className="text-xs text-danger">{wrong.egress}</p>}
      </Part>
      <Part title="Folders" note="on this machine">
        <Folders draft={draft} change={change} />
        {wrong.folders && <p className="text-xs text-danger">{wrong.folders}</p>}
      </Part>
      <Part title="Values and secrets" note="in its environment">
        <Pairs of="value" pairs={draft.env} onChange={(env) => change({ env })} />
        {wrong.values && <p className="text-xs text-danger">{wrong.values}</p>}
        {open.length > 0 && (
          <p className="text-xs text-warning">
            {list(open)} {open.length > 1 ? "have" : "has"} no value yet and will be left out
          </p>
        )}
        {secrets.length > 0 && (
          <Notice tone="warning" title={`The server can read ${list(secrets)}.`}>
            {secrets.length > 1 ? "They are" : "It is"} sealed on this machine and given to this
            server in clear when it starts. Give it a key that can be taken back
            {draft.egress.length === 0
              ? ". With no network, it cannot send the key anywhere."
              : `. It can send what it reads to ${list(draft.egress.map((it) => it.replace(/:443$/, "")))}.`}
          </Notice>
        )}
      </Part>
      <Part title="Install" note="what its packages may do">
        <Segmented
          label="Scripts that packages want to run"
          className="self-start"
          value={draft.buildScripts}
          onChange={(buildScripts) => change({ buildScripts })}
          options={[
            { value: "ask", label: "Ask me" },
            { value: "skip", label: "Never run scripts" },
            { value: "run", label: "Run them" },
          ]}
        />
        <p className="text-xs text-faint">
          Some packages run scripts of their own while they are installed. They run in a sandbox,
          too, without your secrets and folders.
        </p>
      </Part>
      <Part title="Stays closed">
        <Closed draft={draft} />
      </Part>
      <Limits draft={draft} change={change} />
    </>
  );
}

function Runs({ draft, change }: { draft: Draft; change: Change }) {
  const { source } = draft;
  if (source.kind !== "package") return null;
  return (
    <>
      <code className="rounded-control bg-sunken px-2.5 py-2 [overflow-wrap:anywhere]">
        {[source.command || source.name, ...draft.args].join(" ")}
      </code>
      <div className="grid gap-3 sm:grid-cols-[auto_minmax(0,1fr)_9rem]">
        <Field label="Registry">
          {() => (
            <Segmented
              label="Registry"
              className="self-start"
              value={source.registry}
              onChange={(registry) => change({ source: { ...source, registry } })}
              options={[
                { value: "npm", label: "npm" },
                { value: "pypi", label: "PyPI" },
              ]}
            />
          )}
        </Field>
        <Field label="Package">
          {(names) => (
            <Input
              {...names}
              mono
              value={source.name}
              onChange={(event) =>
                change({ source: { ...source, name: event.target.value.trim() } })
              }
            />
          )}
        </Field>
        <Field label="Version">
          {(names) => (
            <Input
              {...names}
              mono
              placeholder="newest"
              value={source.version ?? ""}
              onChange={(event) =>
                change({ source: { ...source, version: event.target.value.trim() || null } })
              }
            />
          )}
        </Field>
      </div>
      <p className="text-xs text-faint">
        {source.version
          ? `Exactly ${source.version}, and nothing newer.`
          : "The newest one is looked up, and then stays."}{" "}
        Its hash and those of all packages it needs are checked and kept.
      </p>
      <Field label="Arguments" hint="One in each line">
        {(names) => (
          <Textarea
            {...names}
            mono
            rows={Math.min(6, Math.max(1, draft.args.length))}
            defaultValue={draft.args.join("\n")}
            onChange={(event) =>
              change({ args: event.target.value.split("\n").filter((it) => it !== "") })
            }
          />
        )}
      </Field>
    </>
  );
}

function Closed({ draft }: { draft: Draft }) {
  const shared = draft.folders.filter((it) => it.on).length;
  const items = [
    draft.egress.length
      ? `The network, but for ${count(draft.egress.length, "host")}`
      : "The network: it has none",
    shared ? `Your files, but for ${count(shared, "folder")}` : "Your files: it sees none",
    "Your other servers, your chats and your keys for models",
    "This machine: it runs without rights of its own, in a container that it cannot change",
  ];
  return (
    <ul className="flex flex-col gap-1">
      {items.map((it) => (
        <li key={it} className="flex items-start gap-2 text-muted">
          <Icon of={LockKeyhole} className="mt-0.5 text-sandbox" />
          {it}
        </li>
      ))}
    </ul>
  );
}

function Limits({ draft, change }: { draft: Draft; change: Change }) {
  const [open, setOpen] = useState(false);
  const number = (text: string) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null);
  if (!open) {
    return (
      <div className="px-5 py-2.5">
        <Button look="ghost" className="-ms-3" onClick={() => setOpen(true)}>
          Limits and sharing
        </Button>
      </div>
    );
  }
  return (
    <Part title="Limits and sharing" note="empty: as the program proposes">
      <div className="grid gap-3 sm:grid-cols-3">
        <Field label="Memory">
          {(names) => (
            <Input
              {...names}
              inputMode="numeric"
              end={<span className="text-faint">MB</span>}
              defaultValue={draft.memoryMb ?? ""}
              onChange={(event) => change({ memoryMb: number(event.target.value) })}
            />
          )}
        </Field>
        <Field label="Processor">
          {(names) => (
            <Input
              {...names}
              inputMode="decimal"
              end={<span className="text-faint">cores</span>}
              defaultValue={draft.cpuMillis === null ? "" : draft.cpuMillis / 1000}
              onChange={(event) => {
                const cores = number(event.target.value);
                change({ cpuMillis: cores === null ? null : Math.round(cores * 1000) });
              }}
            />
          )}
        </Field>
        <Field label="Time per call">
          {(names) => (
            <Input
              {...names}
              inputMode="numeric"
              end={<span className="text-faint">s</span>}
              defaultValue={draft.callTimeoutS ?? ""}
              onChange={(event) => change({ callTimeoutS: number(event.target.value) })}
            />
          )}
        </Field>
      </div>
      <Segmented
        label="Who shares one running copy"
        className="self-start"
        value={draft.isolation ?? "auto"}
        onChange={(value) => change({ isolation: value === "auto" ? null : value })}
        options={[
          { value: "auto", label: "Apart if it has secrets" },
          { value: "principal", label: "One per person" },
          { value: "shared", label: "Shared" },
        ]}
      />
      <Switch
        label="Keep it running while nobody uses it"
        checked={draft.keepWarm}
        onCheckedChange={(keepWarm) => change({ keepWarm })}
      />
    </Part>
  );
}

function Names({
  draft,
  change,
  wrong,
  fixed,
}: {
  draft: Draft;
  change: Change;
  wrong: Wrong;
  fixed: boolean;
}) {
  return (
    <Part title="Name">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Title" error={wrong.title}>
          {(names) => (
            <Input
              {...names}
              value={draft.title}
              onChange={(event) => change({ title: event.target.value })}
            />
          )}
        </Field>
        <Field
          label="Short name"
          hint={`Models see its tools as ${draft.slug || "name"}__tool`}
          error={wrong.slug}
        >
          {(names) => (
            <Input
              {...names}
              mono
              disabled={fixed}
              value={draft.slug}
              onBlur={() => change({ slug: slugOf(draft.slug) })}
              onChange={(event) => change({ slug: event.target.value })}
            />
          )}
        </Field>
      </div>
    </Part>
  );
}
