import { Quoted } from "@/components/wall";
import { plainly } from "@/lib/hostile";
import type { Json } from "@/lib/schema-form";
import { humanName } from "@/lib/words";

const ROWS_MAX = 40;

/** The arguments of a call, all of them, as rows that a person can read. */
export function Arguments({ value, mono = true }: { value: Json | undefined; mono?: boolean }) {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (value === undefined || (isObject && Object.keys(value).length === 0)) {
    return <p className="text-faint">No arguments</p>;
  }
  const entries = isObject ? Object.entries(value) : [];
  if (!isObject || entries.length > ROWS_MAX) {
    return <Quoted text={JSON.stringify(value, null, 2)} mono charactersMax={600} linesMax={12} />;
  }
  return (
    <dl className="grid grid-cols-[minmax(72px,max-content)_1fr] gap-x-4 gap-y-1">
      {entries.map(([name, it]) => (
        <div key={name} className="contents">
          <dt className="max-w-40 text-faint [overflow-wrap:anywhere]" title={plainly(name)}>
            {humanName(name)}
          </dt>
          <dd className="min-w-0">
            <Quoted
              text={shown(it)}
              charactersMax={400}
              linesMax={6}
              className={mono ? "font-mono text-code" : ""}
            />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function shown(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}

/** Returns the arguments in one short line, for a closed card. */
export function argumentSummary(value: Json | undefined): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return value === undefined ? "" : JSON.stringify(value);
  }
  const parts = Object.values(value)
    .filter((it) => it !== null && it !== "")
    .map((it) => (typeof it === "object" ? JSON.stringify(it) : String(it)));
  return parts.join(", ").replaceAll(/\s+/g, " ").slice(0, 160);
}
