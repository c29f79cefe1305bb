import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { keys, serversQuery, tokensQuery } from "@/api/queries";
import { Button } from "@/components/button";
import { CodeWell } from "@/components/code";
import { Dialog } from "@/components/dialog";
import { Checkbox, Field, Input, Select } from "@/components/field";
import { ErrorNote, Notice } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { Dot } from "@/components/status";
import { useAction } from "@/lib/use-action";
import { CLIENTS, freeName, type Os, osOf } from "./client-config";

const SEEN_LOOK_MS = 2000;

interface Made {
  id: string;
  token: string;
}

/** Lets an app in: its token, then the text that it wants with the token in it. */
export function ConnectApp({
  url,
  taken,
  onClose,
}: {
  url: string;
  taken: readonly string[];
  onClose: () => void;
}) {
  const [id, setId] = useState(CLIENTS[0]?.id ?? "");
  const [made, setMade] = useState<Made | null>(null);
  const client = CLIENTS.find((it) => it.id === id);
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={made ? `Tell ${client?.name} where to find it` : "Which app shall be let in?"}
      note={
        made
          ? "The token is shown this once"
          : "It gets a token of its own. Its calls follow the same rules, ask you in the same way, and are in the audit"
      }
      footer={made && <Button onClick={onClose}>Close</Button>}
    >
      {made ? (
        <Text id={id} url={url} made={made} />
      ) : (
        <Choose id={id} onId={setId} taken={taken} onMade={setMade} onClose={onClose} />
      )}
    </Dialog>
  );
}

function Choose({
  id,
  onId,
  taken,
  onMade,
  onClose,
}: {
  id: string;
  onId: (id: string) => void;
  taken: readonly string[];
  onMade: (made: Made) => void;
  onClose: () => void;
}) {
  const queries = useQueryClient();
  const { busy, error, run } = useAction();
  const { data: servers } = useQuery(serversQuery);
  const client = CLIENTS.find((it) => it.id === id);
  const [typed, setTyped] = useState<string | null>(null);
  const [which, setWhich] = useState<"all" | "some">("all");
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const proposed = id === "http" || id === "stdio" ? "my app" : (client?.name ?? "app");
  const name = typed ?? freeName(proposed, taken);
  const make = () =>
    run("Letting it in", async () => {
      const body = {
        name: name.trim(),
        ...(which === "some" ? { servers: [...chosen] } : {}),
      };
      const { id, token } = await api.post("/api/v1/tokens", { body });
      await queries.invalidateQueries({ queryKey: keys.tokens });
      onMade({ id, token });
    });
  return (
    <form
      className="flex flex-col gap-4 px-5 py-4"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="App">
          {(names) => (
            <Select {...names} value={id} onChange={(event) => onId(event.target.value)}>
              {CLIENTS.map((it) => (
                <option key={it.id} value={it.id}>
                  {it.name}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Name" hint="Under which you see it here, in questions and in the audit">
          {(names) => (
            <Input
              {...names}
              maxLength={64}
              value={name}
              onChange={(event) => setTyped(event.target.value)}
            />
          )}
        </Field>
      </div>
      <Segmented
        label="Which servers it may use"
        className="self-start"
        value={which}
        onChange={setWhich}
        options={[
          { value: "all", label: "All servers" },
          { value: "some", label: "Only some" },
        ]}
      />
      {which === "some" && (
        <div className="flex flex-col">
          {servers?.map((it) => (
            <Checkbox
              key={it.id}
              label={it.title}
              checked={chosen.includes(it.slug)}
              onCheckedChange={(on) =>
                setChosen(
                  on === true ? [...chosen, it.slug] : chosen.filter((slug) => slug !== it.slug),
                )
              }
            />
          ))}
          {servers?.length === 0 && <p className="text-muted">There is no server yet.</p>}
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="flex gap-2">
        <Button
          type="submit"
          look="primary"
          busy={busy}
          disabled={!name.trim() || (which === "some" && chosen.length === 0)}
        >
          Let it in
        </Button>
        <Button look="ghost" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

const WAYS = {
  file: "Put this into the file",
  command: "Run this",
  paste: "Put this in",
} as const;

function Text({ id, url, made }: { id: string; url: string; made: Made }) {
  const [os, setOs] = useState<Os>(() => osOf(navigator.userAgent));
  const client = CLIENTS.find((it) => it.id === id);
  const { data: tokens } = useQuery({ ...tokensQuery, refetchInterval: SEEN_LOOK_MS });
  if (!client) return null;
  const setup = client.setup({ url, token: made.token }, os);
  const isSeen = Boolean(tokens?.find((it) => it.id === made.id)?.last_used_at_ms);
  return (
    <div className="flex flex-col gap-3 px-5 py-4">
      {setup.kind === "file" && (
        <Segmented
          label="System"
          className="self-start"
          value={os}
          onChange={setOs}
          options={[
            { value: "linux", label: "Linux" },
            { value: "mac", label: "macOS" },
            { value: "windows", label: "Windows" },
          ]}
        />
      )}
      <p>
        {WAYS[setup.kind]}
        {setup.kind === "file" ? " " : ". "}
        {setup.kind === "file" ? <code>{setup.where}</code> : setup.where}
        {setup.kind === "file" && ":"}
      </p>
      <CodeWell title={client.name} text={setup.text} wrap />
      {setup.note && <p className="text-muted">{setup.note}</p>}
      <Notice tone="warning">
        Whoever has this text can use what you let {client.name} use. It is in no other place, and
        cannot be shown again.
      </Notice>
      <p role="status" className="flex items-center gap-2 text-muted">
        <Dot shape={isSeen ? "run" : "busy"} />
        {isSeen ? `${client.name} has come in` : `Waiting for ${client.name} to come in`}
      </p>
    </div>
  );
}
