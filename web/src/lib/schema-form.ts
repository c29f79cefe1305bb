// A form from a JSON schema: which fields it has, and what a person's answers are as arguments. A
// schema is what a server said about itself, so nothing in it is trusted to be of the right type.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type FieldKind =
  | "text"
  | "long"
  | "number"
  | "integer"
  | "boolean"
  | "choice"
  | "choices"
  | "lines"
  | "json";

export interface FormField {
  name: string;
  title: string;
  description: string | null;
  kind: FieldKind;
  required: boolean;
  /** Values that may be chosen, with their names. */
  choices: ReadonlyArray<{ value: Json; label: string }>;
  /** As a browser's input has it. */
  inputType: "text" | "email" | "url" | "date" | "datetime-local";
  minimum: number | null;
  maximum: number | null;
  lengthMin: number | null;
  lengthMax: number | null;
  /** How many are to be chosen. */
  itemsMin: number | null;
  itemsMax: number | null;
  initial: FieldValue;
}

/** What stands in a field: a text, a switch that may be untouched, or chosen indexes. */
export type FieldValue = string | boolean | null | number[];
export type FormValues = Record<string, FieldValue>;

/** How many fields a form has at most; the rest goes in as JSON. */
const FIELDS_MAX = 60;

/** Returns the fields of an object's schema, the required ones first; null where it is no such schema. */
export function fieldsOf(schema: unknown): FormField[] | null {
  const root = record(schema);
  if (!root) return null;
  const properties = record(root.properties);
  if (!properties) return root.type === "object" || root.type === undefined ? [] : null;
  const required = new Set(Array.isArray(root.required) ? root.required : []);
  const names = Object.keys(properties);
  if (names.length > FIELDS_MAX) return null;
  const fields = names.map((name) => field(name, properties[name], required.has(name)));
  return [...fields.filter((it) => it.required), ...fields.filter((it) => !it.required)];
}

/** Returns what stands in the fields at first, over which `values` are laid. */
export function initialValues(fields: readonly FormField[], values?: JsonObject): FormValues {
  return Object.fromEntries(
    fields.map((it) => {
      const given = values?.[it.name];
      return [it.name, given === undefined ? it.initial : asFieldValue(it, given)];
    }),
  );
}

/** The arguments that the answers make, and what is wrong with which field. */
export interface Filled {
  value: JsonObject;
  errors: Record<string, string>;
}

/** Returns what the answers are; a field that is empty and not required is left out. */
export function filled(fields: readonly FormField[], values: FormValues): Filled {
  const value: JsonObject = {};
  const errors: Record<string, string> = {};
  for (const it of fields) {
    const answer = fieldAnswer(it, values[it.name] ?? null);
    if ("error" in answer) errors[it.name] = answer.error;
    else if (answer.value !== undefined) value[it.name] = answer.value;
  }
  return { value, errors };
}

/** Returns an object from a text, or what is wrong with the text. */
export function parseObject(text: string): { value: JsonObject } | { error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { error: "This is not JSON. Check quotes, commas and brackets" };
  }
  const object = record(value);
  return object
    ? { value: object as JsonObject }
    : { error: "An object in curly brackets is needed" };
}

type Answer = { value: Json | undefined } | { error: string };

function fieldAnswer(it: FormField, value: FieldValue): Answer {
  if (it.kind === "boolean") {
    if (typeof value === "boolean") return { value };
    return it.required ? { value: false } : { value: undefined };
  }
  if (it.kind === "choices") {
    const chosen = Array.isArray(value) ? value : [];
    if (!chosen.length && !it.required) return { value: undefined };
    if (it.itemsMin !== null && chosen.length < it.itemsMin) {
      return { error: `Choose at least ${it.itemsMin}` };
    }
    if (it.itemsMax !== null && chosen.length > it.itemsMax) {
      return { error: `Choose at most ${it.itemsMax}` };
    }
    return { value: chosen.map((i) => it.choices[i]?.value ?? null) };
  }
  const text = typeof value === "string" ? value : "";
  if (text === "" || (it.kind !== "text" && it.kind !== "long" && text.trim() === "")) {
    return it.required ? { error: "This is needed" } : { value: undefined };
  }
  switch (it.kind) {
    case "choice": {
      const choice = it.choices[Number(text)];
      return choice ? { value: choice.value } : { error: "Choose one of the list" };
    }
    case "number":
    case "integer":
      return numberAnswer(it, text.trim());
    case "lines":
      return { value: text.split("\n").filter((line) => line !== "") };
    case "json":
      try {
        return { value: JSON.parse(text) as Json };
      } catch {
        return { error: "This is not JSON. Check quotes, commas and brackets" };
      }
    default:
      return textAnswer(it, text);
  }
}

function numberAnswer(it: FormField, text: string): Answer {
  const value = Number(text);
  if (!Number.isFinite(value)) return { error: "A number is needed" };
  if (it.kind === "integer" && !Number.isInteger(value))
    return { error: "A whole number is needed" };
  if (it.minimum !== null && value < it.minimum) return { error: `At least ${it.minimum}` };
  if (it.maximum !== null && value > it.maximum) return { error: `At most ${it.maximum}` };
  return { value };
}

function textAnswer(it: FormField, text: string): Answer {
  const length = [...text].length;
  if (it.lengthMin !== null && length < it.lengthMin) {
    return { error: `At least ${it.lengthMin} characters` };
  }
  if (it.lengthMax !== null && length > it.lengthMax) {
    return { error: `At most ${it.lengthMax} characters; these are ${length}` };
  }
  if (it.inputType === "email" && !/^[^\s@]+@[^\s@]+$/.test(text)) {
    return { error: "An address such as name@example.com is needed" };
  }
  if (it.inputType === "url" && !URL.canParse(text)) {
    return { error: "A whole address such as https://example.com is needed" };
  }
  if (it.inputType === "datetime-local") {
    const at = new Date(text);
    return Number.isNaN(at.getTime())
      ? { error: "A date and time is needed" }
      : { value: at.toISOString() };
  }
  return { value: text };
}

function field(name: string, raw: unknown, required: boolean): FormField {
  const schema = record(raw) ?? {};
  const choices = choicesOf(schema);
  const items = record(schema.items);
  const itemChoices = items ? choicesOf(items) : [];
  const kind = kindOf(schema, choices.length > 0, itemChoices.length > 0, items);
  const known = kind === "choices" ? itemChoices : choices;
  const made: FormField = {
    name,
    title: string(schema.title) ?? name,
    description: string(schema.description),
    kind,
    required,
    choices: known,
    inputType: inputType(schema),
    minimum: numeric(schema.minimum),
    maximum: numeric(schema.maximum),
    lengthMin: numeric(schema.minLength),
    lengthMax: numeric(schema.maxLength),
    itemsMin: numeric(schema.minItems),
    itemsMax: numeric(schema.maxItems),
    initial: "",
  };
  const initial = schema.default as Json | undefined;
  made.initial = initial === undefined ? untouched(made) : asFieldValue(made, initial);
  return made;
}

function untouched(it: FormField): FieldValue {
  if (it.kind === "boolean") return null;
  return it.kind === "choices" ? [] : "";
}

function kindOf(
  schema: Record<string, unknown>,
  hasChoices: boolean,
  itemsHaveChoices: boolean,
  items: Record<string, unknown> | null,
): FieldKind {
  if (hasChoices) return "choice";
  const types = Array.isArray(schema.type)
    ? schema.type.filter((it) => it !== "null")
    : [schema.type];
  if (types.length !== 1) return "json";
  switch (types[0]) {
    case "string":
      return (numeric(schema.maxLength) ?? 0) > 200 || isLong(schema) ? "long" : "text";
    case "number":
      return "number";
    case "integer":
      return "integer";
    case "boolean":
      return "boolean";
    case "array":
      if (itemsHaveChoices) return "choices";
      return items?.type === "string" ? "lines" : "json";
    default:
      return "json";
  }
}

/** Names of texts that have more than one line, by habit. */
function isLong(schema: Record<string, unknown>): boolean {
  const said =
    `${string(schema.title) ?? ""} ${string(schema.contentMediaType) ?? ""}`.toLowerCase();
  return /\b(body|content|text|message|query|sql|code|markdown)\b/.test(said) && !schema.format;
}

function inputType(schema: Record<string, unknown>): FormField["inputType"] {
  switch (schema.format) {
    case "email":
      return "email";
    case "uri":
    case "url":
      return "url";
    case "date":
      return "date";
    case "date-time":
      return "datetime-local";
    default:
      return "text";
  }
}

function choicesOf(schema: Record<string, unknown>): Array<{ value: Json; label: string }> {
  if (Array.isArray(schema.enum)) {
    const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
    return schema.enum.map((value: Json, i) => ({
      value,
      label: string(names[i]) ?? label(value),
    }));
  }
  const alternatives = Array.isArray(schema.oneOf) ? schema.oneOf : schema.anyOf;
  if (!Array.isArray(alternatives) || !alternatives.length) return [];
  const constants = alternatives.map(record);
  if (!constants.every((it) => it !== null && "const" in it)) return [];
  return constants.map((it) => {
    const value = it?.const as Json;
    return { value, label: string(it?.title) ?? label(value) };
  });
}

function label(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function asFieldValue(it: FormField, value: Json): FieldValue {
  const index = (wanted: Json) =>
    it.choices.findIndex((choice) => JSON.stringify(choice.value) === JSON.stringify(wanted));
  switch (it.kind) {
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "choice":
      return index(value) < 0 ? "" : String(index(value));
    case "choices":
      return Array.isArray(value) ? value.map(index).filter((i) => i >= 0) : [];
    case "lines":
      return Array.isArray(value) ? value.map(label).join("\n") : "";
    case "json":
      return JSON.stringify(value, null, 2);
    default:
      return typeof value === "object" && value !== null
        ? JSON.stringify(value)
        : String(value ?? "");
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function string(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function numeric(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
