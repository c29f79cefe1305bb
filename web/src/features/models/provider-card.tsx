import { useQueryClient } from "@tanstack/react-query";
import { Bot, Cloud, Ellipsis, KeyRound, Laptop, Power, PowerOff, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { Provider } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { Confirm } from "@/components/dialog";
import { Field, Input, SecretInput } from "@/components/field";
import { Heading } from "@/components/heading";
import { Menu, MenuItem, MenuLine } from "@/components/menu";
import { ErrorNote, Notice } from "@/components/notice";
import { Said } from "@/components/said";
import { Tile } from "@/components/tile";
import { QuotedLine } from "@/components/wall";
import { useAction } from "@/lib/use-action";
import { count, sentence } from "@/lib/words";

/** One provider: how it is, why it fails and the one thing that mends it. */
export function ProviderCard({ provider, children }: { provider: Provider; children: ReactNode }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [mode, setMode] = useState<"key" | "address" | null>(null);
  const [removing, setRemoving] = useState(false);
  const path = { provider: provider.id };
  const again = async () => {
    await client.invalidateQueries({ queryKey: keys.providers });
    await client.invalidateQueries({ queryKey: keys.models });
  };
  const test = () =>
    run("Testing", async () => {
      await api.post("/api/v1/providers/{provider}/test", { path });
      await again();
    });
  const change = (word: string, body: { enabled?: boolean; name?: string; base_url?: string }) =>
    run(word, async () => {
      await api.patch("/api/v1/providers/{provider}", { path, body });
      await again();
    });
  const wantsKey = provider.enabled && provider.error?.kind === "key";
  return (
    <section
      aria-label={provider.name}
      className="overflow-hidden rounded-card border border-border bg-surface"
    >
      <header className="flex flex-wrap items-center gap-x-3 gap-y-2 px-4 py-3">
        <Tile icon={provider.demo ? Bot : provider.local ? Laptop : Cloud} />
        <div className="min-w-0 flex-1 basis-56">
          <Heading className="flex flex-wrap items-center gap-2 font-semibold">
            <QuotedLine text={provider.name} max={80} />
            <State provider={provider} />
          </Heading>
          <p className="text-muted [overflow-wrap:anywhere]">
            <code>{provider.base_url}</code>
            {provider.models > 0 && `, ${count(provider.models, "model")}`}
            {provider.found && ", found by itself"}
            {provider.has_key && ", with a key"}
          </p>
        </div>
        <div className="flex items-center gap-2">
          {provider.enabled && (
            <Button small busy={busy === "Testing" && busy} disabled={busy !== null} onClick={test}>
              Test
            </Button>
          )}
          <Menu
            trigger={<IconButton icon={Ellipsis} label={`More for ${provider.name}`} tip={false} />}
          >
            <MenuItem icon={KeyRound} onSelect={() => setMode("key")}>
              {provider.has_key ? "Change the key…" : "Give a key…"}
            </MenuItem>
            {!provider.found && (
              <MenuItem onSelect={() => setMode("address")}>Change name and address…</MenuItem>
            )}
            <MenuItem
              icon={provider.enabled ? PowerOff : Power}
              onSelect={() => void change("Saving", { enabled: !provider.enabled })}
            >
              {provider.enabled ? "Switch off" : "Switch on"}
            </MenuItem>
            {!provider.found && (
              <>
                <MenuLine />
                <MenuItem icon={Trash2} danger onSelect={() => setRemoving(true)}>
                  Remove…
                </MenuItem>
              </>
            )}
          </Menu>
        </div>
      </header>
      <div className="flex flex-col gap-3 px-4 pb-3 empty:hidden">
        {error !== null && <ErrorNote error={error} />}
        {provider.enabled && provider.error && <Failure provider={provider} />}
        {provider.warnings.map((it) => (
          <Notice key={it} tone="warning">
            <Said text={sentence(it)} />.
          </Notice>
        ))}
        {(mode === "key" || (wantsKey && mode === null)) && (
          <KeyForm provider={provider} onDone={() => setMode(null)} onSaved={again} />
        )}
        {mode === "address" && (
          <AddressForm
            provider={provider}
            onCancel={() => setMode(null)}
            onSave={async (body) => {
              if (await change("Saving", body)) setMode(null);
            }}
          />
        )}
      </div>
      {children}
      <Confirm
        open={removing}
        onOpenChange={setRemoving}
        title={`Remove ${provider.name}?`}
        lost="Its key is deleted. Chats that it answered stay, and go on with another model."
        action={`Remove ${provider.name}`}
        onConfirm={async () => {
          await api.delete("/api/v1/providers/{provider}", { path });
          await again();
        }}
      />
    </section>
  );
}

function State({ provider }: { provider: Provider }) {
  if (!provider.enabled) return <Badge dot="idle">Off</Badge>;
  if (provider.demo) return <Badge>Plays a model</Badge>;
  switch (provider.state) {
    case "ok":
      return (
        <Badge tone="success" dot="run">
          Works
        </Badge>
      );
    case "failed":
      return (
        <Badge tone="danger" dot="fail">
          {provider.error?.kind === "key" ? "Key refused" : "Fails"}
        </Badge>
      );
    default:
      return <Badge dot="idle">Not asked yet</Badge>;
  }
}

/** Why it failed, told like an error: the message, the fix, its own words. */
function Failure({ provider }: { provider: Provider }) {
  const { error } = provider;
  if (!error) return null;
  const told = Object.assign(new Error(error.message), { hint: error.fix, details: error.details });
  return <ErrorNote error={told} />;
}

function KeyForm({
  provider,
  onDone,
  onSaved,
}: {
  provider: Provider;
  onDone: () => void;
  onSaved: () => Promise<void>;
}) {
  const { busy, error, run } = useAction();
  const [key, setKey] = useState("");
  const path = { provider: provider.id };
  const save = async () => {
    const isDone = await run("Testing", async () => {
      await api.put("/api/v1/providers/{provider}/key", { path, body: { key: key.trim() } });
      await api.post("/api/v1/providers/{provider}/test", { path });
      await onSaved();
    });
    if (isDone) {
      setKey("");
      onDone();
    }
  };
  const forget = async () => {
    const isDone = await run("Forgetting", async () => {
      await api.delete("/api/v1/providers/{provider}/key", { path });
      await onSaved();
    });
    if (isDone) onDone();
  };
  return (
    <form
      className="flex flex-wrap items-end gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Field
        label={`Key of ${provider.name}`}
        hint="Sealed on this machine, sent to this address only"
        className="min-w-60 flex-1"
      >
        {(names) => (
          <SecretInput
            {...names}
            placeholder={provider.has_key ? "A new key in place of the old one" : ""}
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        )}
      </Field>
      <span className="mb-[21px] flex gap-2">
        <Button
          type="submit"
          look="primary"
          busy={busy === "Testing" && busy}
          disabled={!key.trim() || busy !== null}
        >
          Test and save
        </Button>
        {provider.has_key && (
          <Button busy={busy === "Forgetting" && busy} disabled={busy !== null} onClick={forget}>
            Forget the key
          </Button>
        )}
      </span>
      {error !== null && <ErrorNote className="basis-full" error={error} />}
    </form>
  );
}

function AddressForm({
  provider,
  onCancel,
  onSave,
}: {
  provider: Provider;
  onCancel: () => void;
  onSave: (body: { name?: string; base_url?: string }) => Promise<void>;
}) {
  const [name, setName] = useState(provider.name);
  const [url, setUrl] = useState(provider.base_url);
  return (
    <form
      className="grid gap-3 sm:grid-cols-2"
      onSubmit={(event) => {
        event.preventDefault();
        void onSave({
          ...(name.trim() === provider.name ? {} : { name: name.trim() }),
          ...(url.trim() === provider.base_url ? {} : { base_url: url.trim() }),
        });
      }}
    >
      <Field label="Name">
        {(names) => (
          <Input {...names} value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
      <Field label="Address" hint="At another host, its key has to be given again">
        {(names) => (
          <Input {...names} mono value={url} onChange={(event) => setUrl(event.target.value)} />
        )}
      </Field>
      <div className="flex gap-2 sm:col-span-2">
        <Button type="submit" look="primary" disabled={!name.trim() || !url.trim()}>
          Save
        </Button>
        <Button look="ghost" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
