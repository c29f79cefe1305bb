import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import { Button } from "@/components/button";
import { Field, Input, SecretInput, Select } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { useAction } from "@/lib/use-action";

interface Preset {
  id: string;
  label: string;
  kind: "openai" | "ollama";
  url: string;
  key: "needed" | "maybe" | "none";
}

/** Providers whose addresses everybody knows; all others are given by their address. */
const PRESETS: readonly Preset[] = [
  {
    id: "openai",
    label: "OpenAI",
    kind: "openai",
    url: "https://api.openai.com/v1",
    key: "needed",
  },
  {
    id: "openrouter",
    label: "OpenRouter",
    kind: "openai",
    url: "https://openrouter.ai/api/v1",
    key: "needed",
  },
  {
    id: "mistral",
    label: "Mistral",
    kind: "openai",
    url: "https://api.mistral.ai/v1",
    key: "needed",
  },
  {
    id: "groq",
    label: "Groq",
    kind: "openai",
    url: "https://api.groq.com/openai/v1",
    key: "needed",
  },
  {
    id: "other",
    label: "Any address that speaks like OpenAI",
    kind: "openai",
    url: "",
    key: "maybe",
  },
  { id: "ollama", label: "Ollama on another machine", kind: "ollama", url: "", key: "maybe" },
];

/** Adds a provider, and says at once whether it answers. */
export function AddProvider({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [id, setId] = useState("openai");
  const preset = PRESETS.find((it) => it.id === id) ?? (PRESETS[0] as Preset);
  const [url, setUrl] = useState("");
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  const isOpen = preset.url === "";
  const address = isOpen ? url.trim() : preset.url;
  const add = async () => {
    const isDone = await run("Adding", async () => {
      const made = await api.post("/api/v1/providers", {
        body: {
          kind: preset.kind,
          base_url: address,
          ...(isOpen ? (name.trim() ? { name: name.trim() } : {}) : { name: preset.label }),
          ...(key.trim() ? { key: key.trim() } : {}),
        },
      });
      // How it answers stands on its card, with what mends it.
      await api.post("/api/v1/providers/{provider}/test", { path: { provider: made.id } });
      await client.invalidateQueries({ queryKey: keys.providers });
      await client.invalidateQueries({ queryKey: keys.models });
    });
    if (isDone) onDone();
  };
  return (
    <form
      aria-label="A new provider"
      className="mb-4 grid gap-4 rounded-card border border-border p-4 sm:grid-cols-2"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <Field label="Provider" className={isOpen ? "sm:col-span-2" : ""}>
        {(names) => (
          <Select {...names} value={id} onChange={(event) => setId(event.target.value)}>
            {PRESETS.map((it) => (
              <option key={it.id} value={it.id}>
                {it.label}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {isOpen && (
        <>
          <Field
            label="Address"
            required
            hint={
              preset.kind === "ollama"
                ? "For instance 192.168.1.20:11434"
                : "For instance localhost:8000/v1, of vLLM, llama.cpp, LM Studio and others"
            }
          >
            {(names) => (
              <Input
                {...names}
                mono
                inputMode="url"
                value={url}
                onChange={(event) => setUrl(event.target.value)}
              />
            )}
          </Field>
          <Field label="Name" hint="Without one, it is made from the address">
            {(names) => (
              <Input {...names} value={name} onChange={(event) => setName(event.target.value)} />
            )}
          </Field>
        </>
      )}
      <Field
        label="Key"
        required={preset.key === "needed"}
        hint={
          preset.key === "needed"
            ? "Sealed on this machine, sent to this provider only"
            : "Only where it wants one"
        }
        className={isOpen ? "sm:col-span-2" : ""}
      >
        {(names) => (
          <SecretInput {...names} value={key} onChange={(event) => setKey(event.target.value)} />
        )}
      </Field>
      <p className="text-muted sm:col-span-2">
        What you write in a chat that it answers, what your tools answer there, and what is
        remembered go to it.
      </p>
      {error !== null && <ErrorNote className="sm:col-span-2" error={error} />}
      <div className="flex gap-2 sm:col-span-2">
        <Button
          type="submit"
          look="primary"
          busy={busy}
          disabled={!address || (preset.key === "needed" && !key.trim())}
        >
          Add and test
        </Button>
        <Button look="ghost" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
