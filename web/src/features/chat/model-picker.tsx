import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, ChevronDown, Cloud, Laptop } from "lucide-react";
import { useState } from "react";
import { modelsQuery, providersQuery } from "@/api/queries";
import type { Model, ModelRef } from "@/api/types";
import { SearchInput } from "@/components/field";
import { Icon } from "@/components/icon";
import { Popover } from "@/components/popover";
import { cx } from "@/lib/classes";
import { useShortcut } from "@/lib/keys";
import { found } from "@/lib/search";
import { thousands } from "@/lib/words";

const pickClass =
  "inline-flex h-(--control-sm) min-w-0 items-center gap-1.5 rounded-control px-2 font-medium whitespace-nowrap text-muted hover:bg-hover hover:text-text aria-expanded:bg-press";

/** Which model answers, and whether it is on this machine. */
export function ModelPicker({
  value,
  onChange,
}: {
  value: ModelRef | null;
  onChange: (model: ModelRef) => void;
}) {
  const [open, setOpen] = useState(false);
  const [query, setQuery] = useState("");
  const { data } = useQuery(modelsQuery);
  const { data: providers } = useQuery(providersQuery);
  useShortcut("model", () => setOpen((it) => !it));
  const models = data?.models ?? [];
  const chosen = models.find((it) => it.provider === value?.provider && it.name === value?.model);
  // A model that its provider does not list is where the provider is.
  const provider = providers?.find((it) => it.id === value?.provider);
  const isLocal = chosen?.local ?? provider?.local ?? !value;
  const title = (id: string) => providers?.find((it) => it.id === id)?.name ?? id;
  const shown = found(models, query, (it) => `${it.title} ${it.name} ${title(it.provider)}`);
  const groups = [...new Set(shown.map((it) => it.provider))];

  if (data && !models.length) {
    return (
      <Link
        to="/settings/$section"
        params={{ section: "models" }}
        className={cx(pickClass, "text-warning no-underline")}
      >
        Set up a model
      </Link>
    );
  }
  return (
    <Popover
      label="Model"
      align="end"
      open={open}
      onOpenChange={(next) => {
        setOpen(next);
        setQuery("");
      }}
      className="w-80"
      trigger={
        <button
          type="button"
          className={pickClass}
          aria-label={value ? `Model: ${chosen?.title ?? value.model}` : "Choose a model"}
        >
          <Icon of={isLocal ? Laptop : Cloud} />
          <span className="max-w-36 truncate @max-[34rem]:max-w-24">
            {chosen?.title ?? value?.model ?? "Choose a model"}
          </span>
          <Icon of={ChevronDown} size="sm" className="text-faint" />
        </button>
      }
    >
      {models.length > 6 && (
        <div className="border-b border-border p-2">
          <SearchInput label="Find a model" value={query} onChange={setQuery} autoFocus />
        </div>
      )}
      <div className="thin-scroll min-h-0 overflow-y-auto p-1" role="radiogroup" aria-label="Model">
        {groups.map((provider) => (
          <div key={provider}>
            <p className="px-2 pt-1.5 pb-1 text-xs text-faint">{title(provider)}</p>
            {shown
              .filter((it) => it.provider === provider)
              .map((it) => (
                <Choice
                  key={it.name}
                  model={it}
                  chosen={it === chosen}
                  onChoose={() => {
                    onChange({ provider: it.provider, model: it.name });
                    setOpen(false);
                  }}
                />
              ))}
          </div>
        ))}
        {!shown.length && <p className="px-2 py-3 text-muted">No model is called that.</p>}
      </div>
      <div className="border-t border-border p-1">
        <Link
          to="/settings/$section"
          params={{ section: "models" }}
          className="flex h-8 items-center rounded-[6px] px-2 text-muted no-underline hover:bg-hover hover:text-text"
        >
          Models and providers
        </Link>
      </div>
    </Popover>
  );
}

function Choice({
  model,
  chosen,
  onChoose,
}: {
  model: Model;
  chosen: boolean;
  onChoose: () => void;
}) {
  return (
    <button
      type="button"
      role="radio"
      aria-checked={chosen}
      className="flex min-h-9 w-full items-center gap-2 rounded-[6px] px-2 text-start hover:bg-hover max-md:min-h-11"
      onClick={onChoose}
    >
      <Icon of={model.local ? Laptop : Cloud} className="text-faint" />
      <span className="min-w-0 flex-1 truncate">{model.title}</span>
      <span className="text-xs whitespace-nowrap text-faint">
        {model.demo ? (
          "Plays a model"
        ) : model.tools === false ? (
          <span className="text-warning">No tools</span>
        ) : model.context_tokens ? (
          `${thousands(model.context_tokens)} tokens`
        ) : (
          ""
        )}
      </span>
      {chosen && <Icon of={Check} size="sm" className="text-accent-text" />}
    </button>
  );
}
