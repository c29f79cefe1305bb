import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { keys, rulesQuery, serversQuery, toolsQuery } from "@/api/queries";
import type { Effect, Rule } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { Card, Row } from "@/components/card";
import { Empty } from "@/components/empty";
import { Field, Input, Select } from "@/components/field";
import { Loaded } from "@/components/loaded";
import { ErrorNote } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { useAction } from "@/lib/use-action";
import { count, date, list } from "@/lib/words";
import { globMatches } from "./approval-words";

const EFFECTS: Record<Effect, { word: string; tone: "success" | "warning" | "danger" }> = {
  allow: { word: "Run unasked", tone: "success" },
  ask: { word: "Ask", tone: "warning" },
  deny: { word: "Deny", tone: "danger" },
};

/** Rules about many tools at once. */
export function Rules() {
  const query = useQuery(rulesQuery);
  const [adding, setAdding] = useState(false);
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <p className="min-w-60 flex-1 text-muted">
          For many tools at once. A rule that denies is stronger than one that asks, and that is
          stronger than one that lets run, whoever calls. What a tool was set to counts like a rule.
        </p>
        <Button icon={Plus} aria-expanded={adding} onClick={() => setAdding(!adding)}>
          Add a rule
        </Button>
      </div>
      {adding && <NewRule onDone={() => setAdding(false)} />}
      <Loaded query={query} what="The rules">
        {(rules) => (
          <Card>
            {rules.map((it) => (
              <RuleRow key={it.id} rule={it} />
            ))}
            {rules.length === 0 && (
              <Empty title="There are no rules">
                Each tool is as you have set it on its server’s page, and asks where you have not.
              </Empty>
            )}
          </Card>
        )}
      </Loaded>
    </>
  );
}

function RuleRow({ rule }: { rule: Rule }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const { data: servers } = useQuery(serversQuery);
  const title = servers?.find((it) => it.slug === rule.server)?.title ?? rule.server;
  const words = rule.tool === "*" ? "all tools" : rule.tool;
  const remove = () =>
    run("Removing", async () => {
      await api.delete("/api/v1/policy/rules/{rule}", { path: { rule: rule.id } });
      await client.invalidateQueries({ queryKey: keys.rules });
    });
  return (
    <Row
      title={
        <>
          <Badge tone={EFFECTS[rule.effect].tone}>{EFFECTS[rule.effect].word}</Badge>
          <code className="[overflow-wrap:anywhere]">{rule.tool}</code>
          <span className="font-normal text-muted">
            {rule.server_id ? `of ${title ?? "a server that is gone"}` : "of all servers"}
          </span>
        </>
      }
      note={
        <>
          {matchWords(useMatches(rule.server ?? null, rule.tool))} Since{" "}
          {date(rule.created_at_ms, Date.now())}, by {rule.created_by}.
        </>
      }
      actions={
        <IconButton
          icon={Trash2}
          label={`Remove the rule for ${words}`}
          disabled={busy !== null}
          onClick={remove}
        />
      }
    >
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Row>
  );
}

/** Returns the tools that there are and that a rule means. */
function useMatches(server: string | null, tool: string): string[] | null {
  const { data: tools } = useQuery(toolsQuery);
  if (!tools || !tool) return null;
  return tools
    .filter((it) => (server === null || it.server === server) && globMatches(tool, it.name))
    .map((it) => it.name);
}

const NAMES_MAX = 3;

function matchWords(names: string[] | null): string {
  if (names === null) return "";
  if (names.length === 0) return "No tool is called that now.";
  if (names.length <= NAMES_MAX) return `Means ${list(names)} now.`;
  return `Means ${list([...names.slice(0, NAMES_MAX - 1), `${count(names.length - NAMES_MAX + 1, "other")}`])} now.`;
}

function NewRule({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const { data: servers } = useQuery(serversQuery);
  const [effect, setEffect] = useState<Effect>("deny");
  const [server, setServer] = useState("");
  const [tool, setTool] = useState("");
  const pattern = tool.trim();
  const names = useMatches(server || null, pattern);
  const add = async () => {
    const isDone = await run("Adding", () =>
      api.post("/api/v1/policy/rules", {
        body: { effect, tool: pattern, ...(server ? { server } : {}) },
      }),
    );
    if (!isDone) return;
    await client.invalidateQueries({ queryKey: keys.rules });
    onDone();
  };
  return (
    <form
      aria-label="A new rule"
      className="mb-4 flex flex-col gap-3 rounded-card border border-border p-4"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <Segmented
        label="What is done with a call"
        className="self-start"
        value={effect}
        onChange={setEffect}
        options={[
          { value: "deny", label: "Deny" },
          { value: "ask", label: "Ask" },
          { value: "allow", label: "Run unasked" },
        ]}
      />
      <div className="grid gap-3 md:grid-cols-2">
        <Field label="Of which server">
          {(ids) => (
            <Select {...ids} value={server} onChange={(event) => setServer(event.target.value)}>
              <option value="">All servers</option>
              {servers?.map((it) => (
                <option key={it.id} value={it.slug}>
                  {it.title}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field
          label="Which tools"
          hint={matchWords(names) || "A name; * is any text, ? any character"}
        >
          {(ids) => (
            <Input
              {...ids}
              mono
              autoFocus
              placeholder="delete_*"
              value={tool}
              onChange={(event) => setTool(event.target.value)}
            />
          )}
        </Field>
      </div>
      {error !== null && <ErrorNote error={error} />}
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={busy} disabled={!pattern}>
          Add the rule
        </Button>
        <Button look="ghost" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
