import { FileText, Volume2 } from "lucide-react";
import { useState } from "react";
import { Icon } from "@/components/icon";
import { OutboundLink } from "@/components/outbound";
import { QuotedImage } from "@/components/quoted-image";
import { Segmented } from "@/components/segmented";
import { Quoted, QuotedLine } from "@/components/wall";
import { openable } from "@/lib/hostile";
import type { Json } from "@/lib/message";
import { type ResultPart, readResult } from "@/lib/tool-result";
import { bytes } from "@/lib/words";

/** What a tool answered, by the kinds of its parts. It stands behind the wall. */
export function ToolResult({ output }: { output: Json | undefined }) {
  const { parts, json } = readResult(output);
  const [view, setView] = useState<"parts" | "json">("parts");
  const both = parts.length > 0 && json !== null;
  if (!parts.length && json === null) return <p className="text-faint">Nothing</p>;
  const showsJson = json !== null && (view === "json" || !parts.length);
  return (
    <div className="flex min-w-0 flex-col gap-2.5">
      {both && (
        <Segmented
          label="What is shown"
          className="self-start"
          value={view}
          onChange={setView}
          options={[
            { value: "parts", label: "Text" },
            { value: "json", label: "JSON" },
          ]}
        />
      )}
      {showsJson ? (
        <Quoted text={JSON.stringify(json, null, 2)} mono />
      ) : (
        parts.map((it, i) => <Part key={i} part={it} />)
      )}
    </div>
  );
}

function Part({ part: it }: { part: ResultPart }) {
  switch (it.kind) {
    case "text":
      return <Quoted text={pretty(it.text)} mono terminal />;
    case "image":
      return (
        <QuotedImage base64={it.base64} mediaType={it.mediaType} alt="A picture from the server" />
      );
    case "audio":
      return (
        <p className="flex items-center gap-2 text-muted">
          <Icon of={Volume2} className="text-faint" /> A sound,{" "}
          {it.mediaType || "of an unknown kind"}, {bytes(it.base64.length * 0.75)}. Sounds are not
          played
        </p>
      );
    case "link":
      return (
        <p className="flex min-w-0 items-start gap-2">
          <Icon of={FileText} className="mt-0.5 text-faint" />
          <span className="min-w-0">
            {openable(it.uri) ? (
              <OutboundLink href={it.uri} words={it.name}>
                <QuotedLine text={it.name || it.uri} />
              </OutboundLink>
            ) : (
              <QuotedLine text={it.name || it.uri} />
            )}
            <span className="block font-mono text-xs text-faint">
              <QuotedLine text={it.uri} />
            </span>
            {it.description && <QuotedLine text={it.description} className="text-muted" />}
          </span>
        </p>
      );
    case "file":
      return (
        <div className="min-w-0">
          <p className="mb-1 font-mono text-xs text-faint">
            <QuotedLine text={it.uri} />
          </p>
          {it.text !== null ? (
            <Quoted text={it.text} mono terminal />
          ) : it.base64 !== null && it.mediaType.startsWith("image/") ? (
            <QuotedImage
              base64={it.base64}
              mediaType={it.mediaType}
              alt="A picture from the server"
            />
          ) : (
            <p className="text-muted">
              A file, {it.mediaType || "of an unknown kind"},{" "}
              {bytes((it.base64?.length ?? 0) * 0.75)}
            </p>
          )}
        </div>
      );
  }
}

const PRETTY_MAX = 200_000;

/** JSON on one line is for programs; with lines it is for people, and the same. */
function pretty(text: string): string {
  const first = text.trimStart().charAt(0);
  if ((first !== "{" && first !== "[") || text.length > PRETTY_MAX || text.includes("\n"))
    return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
