import { Folder, Globe, GlobeOff, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Button, IconButton } from "@/components/button";
import { Checkbox, Input, SecretInput } from "@/components/field";
import { Icon } from "@/components/icon";
import { Segmented } from "@/components/segmented";
import { asHostPort, type Change, type Draft, looksSecret, type Pair } from "./draft";

/** What it may reach; hosts can be taken off and added. */
export function Hosts({ draft, change }: { draft: Draft; change: Change }) {
  const [text, setText] = useState("");
  const add = () => {
    const host = asHostPort(text);
    if (!host) return;
    setText("");
    if (!draft.egress.includes(host)) change({ egress: [...draft.egress, host] });
  };
  return (
    <>
      {draft.egress.length === 0 && (
        <p className="flex items-center gap-2 text-sandbox">
          <Icon of={GlobeOff} /> No network at all
        </p>
      )}
      <ul className="flex flex-col gap-1">
        {draft.egress.map((host) => (
          <li key={host} className="flex items-center gap-2">
            <Icon of={Globe} className="text-faint" />
            <code className="min-w-0 flex-1 [overflow-wrap:anywhere]">{host}</code>
            <IconButton
              icon={Trash2}
              label={`Take ${host} off`}
              onClick={() => change({ egress: draft.egress.filter((it) => it !== host) })}
            />
          </li>
        ))}
      </ul>
      <form
        className="flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          add();
        }}
      >
        <Input
          mono
          aria-label="Host and port"
          placeholder="api.example.com:443"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="submit" icon={Plus} disabled={!text.trim()}>
          Allow a host
        </Button>
      </form>
      <p className="text-xs text-faint">
        You can begin without any: what it asks for and is refused is listed on its page, where one
        press allows it.
      </p>
    </>
  );
}

/** Folders of this machine, each shared only once somebody has said so. */
export function Folders({ draft, change }: { draft: Draft; change: Change }) {
  const set = (at: number, it: Partial<Draft["folders"][number]>) =>
    change({ folders: draft.folders.map((old, i) => (i === at ? { ...old, ...it } : old)) });
  return (
    <>
      {draft.folders.length === 0 && (
        <p className="flex items-center gap-2 text-muted">
          <Icon of={Folder} /> None: it sees no file of yours
        </p>
      )}
      {draft.folders.map((it, i) => (
        <div key={i} className="flex flex-wrap items-center gap-2">
          <Checkbox
            label=""
            hideLabel={`Share ${it.host || "this folder"}`}
            checked={it.on}
            onCheckedChange={(on) => set(i, { on: on === true })}
          />
          <Input
            mono
            aria-label="Folder on this machine"
            placeholder="/home/me/notes"
            boxClassName="flex-1 min-w-40"
            value={it.host}
            onChange={(event) =>
              set(i, {
                host: event.target.value,
                ...(it.inside === it.host ? { inside: event.target.value } : {}),
              })
            }
          />
          <Segmented
            label={`What it may do in ${it.host || "this folder"}`}
            value={it.write ? "write" : "read"}
            onChange={(value) => set(i, { write: value === "write" })}
            options={[
              { value: "read", label: "Read only" },
              { value: "write", label: "Read and write" },
            ]}
          />
          {it.on && (
            <div className="flex w-full items-center gap-2 ps-6 text-xs text-faint">
              <span aria-hidden="true">The server finds it at</span>
              <Input
                mono
                aria-label={`Where the server finds ${it.host || "this folder"}`}
                boxClassName="flex-1 min-w-32"
                value={it.inside}
                onChange={(event) => set(i, { inside: event.target.value })}
              />
            </div>
          )}
        </div>
      ))}
      <Button
        icon={Plus}
        className="self-start"
        onClick={() =>
          change({ folders: [...draft.folders, { host: "", inside: "", write: false, on: true }] })
        }
      >
        Share a folder
      </Button>
    </>
  );
}

/** Values and secrets by their names, or the headers of a remote server. */
export function Pairs({
  of,
  pairs,
  onChange,
  alwaysSecret = false,
}: {
  of: "value" | "header";
  pairs: readonly Pair[];
  onChange: (pairs: Pair[]) => void;
  alwaysSecret?: boolean;
}) {
  const set = (at: number, it: Partial<Pair>) =>
    onChange(pairs.map((old, i) => (i === at ? { ...old, ...it } : old)));
  return (
    <>
      {pairs.length === 0 && <p className="text-muted">None asked for</p>}
      {pairs.map((it, i) => (
        <div
          key={i}
          className="grid grid-cols-[minmax(0,2fr)_minmax(0,3fr)_auto] items-center gap-2"
        >
          <Input
            mono
            aria-label={of === "header" ? "Name of the header" : "Name of the value"}
            placeholder={of === "header" ? "Authorization" : "API_KEY"}
            value={it.name}
            onChange={(event) =>
              set(i, {
                name: event.target.value.trim(),
                secret: alwaysSecret || it.secret || looksSecret(event.target.value),
              })
            }
          />
          {it.secret ? (
            <SecretInput
              aria-label={`Secret value of ${it.name || "it"}`}
              placeholder="not given yet"
              value={it.value}
              onChange={(event) => set(i, { value: event.target.value })}
            />
          ) : (
            <Input
              mono
              aria-label={`Value of ${it.name || "it"}`}
              value={it.value}
              onChange={(event) => set(i, { value: event.target.value })}
            />
          )}
          <IconButton
            icon={Trash2}
            label={`Remove ${it.name || `the ${of}`}`}
            onClick={() => onChange(pairs.filter((_, at) => at !== i))}
          />
          {!alwaysSecret && (
            <span className="col-span-3 -mt-1.5">
              <Checkbox
                label={
                  <span className="text-xs text-muted">Secret: sealed, never shown again</span>
                }
                checked={it.secret}
                onCheckedChange={(on) => set(i, { secret: on === true })}
              />
            </span>
          )}
        </div>
      ))}
      <Button
        icon={Plus}
        className="self-start"
        onClick={() => onChange([...pairs, { name: "", value: "", secret: alwaysSecret }])}
      >
        {of === "header" ? "Add a header" : "Add a value"}
      </Button>
    </>
  );
}
