import { Checkbox, Field, Input, Select, Textarea } from "@/components/field";
import { Segmented } from "@/components/segmented";
import { QuotedLine } from "@/components/wall";
import { plainly } from "@/lib/hostile";
import type { FieldValue, FormField, FormValues } from "@/lib/schema-form";
import { humanName } from "@/lib/words";

/** The fields of a schema. Titles and descriptions are a server's words, so they are shown as text. */
export function SchemaFields({
  fields,
  values,
  errors,
  onChange,
}: {
  fields: readonly FormField[];
  values: FormValues;
  errors: Record<string, string>;
  onChange: (name: string, value: FieldValue) => void;
}) {
  return (
    <div className="grid grid-cols-1 gap-4 md:grid-cols-2">
      {fields.map((it) => (
        <Field
          key={it.name}
          label={
            <QuotedLine text={it.title === it.name ? humanName(it.name) : it.title} max={120} />
          }
          required={it.required}
          hint={hint(it)}
          error={errors[it.name]}
          className={isWide(it) ? "md:col-span-2" : ""}
        >
          {(names) => (
            <Control
              field={it}
              value={values[it.name] ?? null}
              onChange={(value) => onChange(it.name, value)}
              names={names}
            />
          )}
        </Field>
      ))}
    </div>
  );
}

function isWide(it: FormField): boolean {
  return (
    it.kind === "long" ||
    it.kind === "lines" ||
    it.kind === "json" ||
    it.kind === "choices" ||
    (it.kind === "text" && it.required)
  );
}

function hint(it: FormField) {
  const parts = [];
  if (it.kind === "lines") parts.push("One in each line.");
  if (it.kind === "json") parts.push("As JSON.");
  if (it.minimum !== null && it.maximum !== null)
    parts.push(`From ${it.minimum} to ${it.maximum}.`);
  else if (it.minimum !== null) parts.push(`At least ${it.minimum}.`);
  else if (it.maximum !== null) parts.push(`At most ${it.maximum}.`);
  if (!it.description) return parts.join(" ") || undefined;
  return (
    <>
      {parts.length > 0 && `${parts.join(" ")} `}
      <QuotedLine text={it.description} max={280} />
    </>
  );
}

function Control({
  field: it,
  value,
  onChange,
  names,
}: {
  field: FormField;
  value: FieldValue;
  onChange: (value: FieldValue) => void;
  names: { id: string; "aria-describedby"?: string; "aria-invalid"?: true };
}) {
  const text = typeof value === "string" ? value : "";
  switch (it.kind) {
    case "boolean":
      return (
        <Segmented
          label={plainly(it.title)}
          className="self-start"
          value={value === null ? "unset" : value ? "yes" : "no"}
          onChange={(next) => onChange(next === "unset" ? null : next === "yes")}
          options={[
            { value: "yes", label: "Yes" },
            { value: "no", label: "No" },
            ...(it.required ? [] : [{ value: "unset" as const, label: "Leave out" }]),
          ]}
        />
      );
    case "choice":
      return (
        <Select {...names} value={text} onChange={(event) => onChange(event.target.value)}>
          <option value="">{it.required ? "Choose…" : "Leave out"}</option>
          {it.choices.map((choice, i) => (
            <option key={choice.label} value={String(i)}>
              {plainly(choice.label)}
            </option>
          ))}
        </Select>
      );
    case "choices": {
      const chosen = Array.isArray(value) ? value : [];
      return (
        <div className="flex flex-wrap gap-x-4">
          {it.choices.map((choice, i) => (
            <Checkbox
              key={choice.label}
              label={<QuotedLine text={choice.label} max={120} />}
              checked={chosen.includes(i)}
              onCheckedChange={(on) =>
                onChange(
                  on === true
                    ? [...chosen, i].sort((a, b) => a - b)
                    : chosen.filter((it) => it !== i),
                )
              }
            />
          ))}
        </div>
      );
    }
    case "long":
    case "lines":
    case "json":
      return (
        <Textarea
          {...names}
          mono={it.kind === "json"}
          rows={Math.min(10, Math.max(3, text.split("\n").length))}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    case "number":
    case "integer":
      return (
        <Input
          {...names}
          inputMode="decimal"
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    default:
      return (
        <Input
          {...names}
          mono={it.inputType === "text"}
          type={it.inputType}
          value={text}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
}
