import { Braces, Check, Play, TriangleAlert } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "@/api/client";
import type { ServerDetails } from "@/api/types";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/code";
import { Field, Textarea } from "@/components/field";
import { Icon } from "@/components/icon";
import { ErrorNote } from "@/components/notice";
import { Announce } from "@/components/page";
import { SchemaFields } from "@/components/schema-form";
import { ToolResult } from "@/components/tool-result";
import { Wall } from "@/components/wall";
import type { Json } from "@/lib/message";
import { fieldsOf, filled, initialValues, type JsonObject, parseObject } from "@/lib/schema-form";
import { resultText } from "@/lib/tool-result";
import { bytes, duration } from "@/lib/words";

interface Done {
  output: Json;
  isError: boolean;
  ms: number;
}

/** A form for a tool's arguments; to press its button is the consent. */
export function ToolForm({
  server,
  name,
  definition,
}: {
  server: ServerDetails;
  name: string;
  definition: Record<string, unknown>;
}) {
  const fields = useMemo(() => fieldsOf(definition.inputSchema), [definition]);
  const [values, setValues] = useState(() => initialValues(fields ?? []));
  const [json, setJson] = useState<string | null>(fields ? null : "{}");
  const [shown, setShown] = useState<Record<string, string>>({});
  const [running, setRunning] = useState(false);
  const [done, setDone] = useState<Done | null>(null);
  const [error, setError] = useState<unknown>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const parsed = json === null ? null : parseObject(json);
  const run = async (args: JsonObject) => {
    const controller = new AbortController();
    abort.current = controller;
    setRunning(true);
    setError(null);
    setDone(null);
    const begun = performance.now();
    try {
      const answer = await api.post("/api/v1/tools/call", {
        body: { server: server.slug, tool: name, arguments: args as never },
        signal: controller.signal,
      });
      const output = answer.result as Json;
      setDone({ output, isError: answer.is_error, ms: performance.now() - begun });
    } catch (caught) {
      if (!controller.signal.aborted) setError(caught);
    } finally {
      setRunning(false);
    }
  };
  const submit = () => {
    if (parsed) {
      if ("value" in parsed) void run(parsed.value);
      return;
    }
    const { value, errors } = filled(fields ?? [], values);
    setShown(errors);
    if (!Object.keys(errors).length) void run(value);
  };
  return (
    <>
      <form
        aria-label={`Run ${name} by hand`}
        noValidate
        className="overflow-hidden rounded-card border border-border"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div className="p-4">
          {json !== null ? (
            <Field
              label="Arguments as JSON"
              error={parsed && "error" in parsed ? parsed.error : undefined}
            >
              {(names) => (
                <Textarea
                  {...names}
                  mono
                  rows={Math.min(14, json.split("\n").length + 2)}
                  value={json}
                  onChange={(event) => setJson(event.target.value)}
                />
              )}
            </Field>
          ) : fields?.length ? (
            <SchemaFields
              fields={fields}
              values={values}
              errors={shown}
              onChange={(field, value) => {
                setValues((before) => ({ ...before, [field]: value }));
                setShown(({ [field]: _, ...rest }) => rest);
              }}
            />
          ) : (
            <p className="text-muted">It takes no arguments.</p>
          )}
        </div>
        <footer className="flex flex-wrap items-center gap-x-3 gap-y-2 border-t border-border bg-sunken px-4 py-2.5">
          {running ? (
            <Button onClick={() => abort.current?.abort()}>Stop waiting</Button>
          ) : (
            <Button
              type="submit"
              look="primary"
              icon={Play}
              disabled={parsed !== null && "error" in parsed}
            >
              Run
            </Button>
          )}
          <span className="min-w-0 flex-1 text-muted">
            {running ? "Running" : "Runs as you, and is in the audit like a chat’s call."}
          </span>
          {fields !== null && (
            <Button
              small
              look="ghost"
              icon={Braces}
              aria-pressed={json !== null}
              onClick={() =>
                setJson(
                  json === null ? JSON.stringify(filled(fields, values).value, null, 2) : null,
                )
              }
            >
              JSON
            </Button>
          )}
        </footer>
      </form>
      {error !== null && <ErrorNote title="It was not run to its end." error={error} />}
      {done && <Answer done={done} server={server} />}
      <Announce>{done ? (done.isError ? "The tool says that it failed" : "Done") : ""}</Announce>
    </>
  );
}

function Answer({ done, server }: { done: Done; server: ServerDetails }) {
  const text = resultText(done.output);
  return (
    <section aria-label="Answer" className="overflow-hidden rounded-card border border-border">
      <header className="flex min-h-10 items-center gap-2.5 border-b border-border ps-4 pe-2">
        {done.isError ? (
          <Icon of={TriangleAlert} className="text-danger" />
        ) : (
          <Icon of={Check} className="text-success" />
        )}
        <b>{done.isError ? "It says that it failed" : "Done"}</b>
        <span className="num flex-1 text-xs text-faint">
          {duration(done.ms)}, {bytes(new Blob([text]).size)}
        </span>
        <CopyButton text={text} label="Copy the answer" />
      </header>
      <div className="px-4 py-3">
        <Wall label={`What ${server.title} answered`}>
          <ToolResult output={done.output} />
        </Wall>
      </div>
    </section>
  );
}
