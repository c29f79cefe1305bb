import { useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { auditOnceQuery, keys } from "@/api/queries";
import type { ServerDetails } from "@/api/types";
import { Badge } from "@/components/badge";
import { Boundary } from "@/components/boundary";
import { Button } from "@/components/button";
import { Card, Row, Section } from "@/components/card";
import { Empty } from "@/components/empty";
import { Field, Input, SecretInput } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { Said } from "@/components/said";
import { Table, Td, Th, Tr } from "@/components/table";
import { Tile } from "@/components/tile";
import { QuotedLine } from "@/components/wall";
import { cx } from "@/lib/classes";
import { useAction } from "@/lib/use-action";
import { ago, count, grouped, list } from "@/lib/words";
import { asHostPort, isHostPort } from "./draft";
import { GivenValues } from "./given-values";
import { type Reached, reached } from "./reach";
import { SharedFolders } from "./shared-folders";
import { hostsOf } from "./source-words";

const DAY_MS = 86_400_000;
const LOOK_MS = 10_000;

/** What a server can reach and what it asked for, its secrets and its folders. */
export function AccessTab({ server }: { server: ServerDetails }) {
  const [since] = useState(() => Math.floor((Date.now() - DAY_MS) / 60_000) * 60_000);
  const isRemote = server.source.kind === "remote";
  const { data: events } = useQuery({
    ...auditOnceQuery({ kind: "egress", server: server.slug, since_ms: since }),
    refetchInterval: LOOK_MS,
    enabled: !isRemote,
  });
  const hosts = reached(server.egress, events ?? []);
  const refused = hosts.filter((it) => !it.allowed);
  if (isRemote) return <Remote server={server} />;
  return (
    <>
      <Boundary
        inside={[
          server.isolation === "principal" ? "One process per person" : "One process for all",
          "No network of its own",
          insideWords(server),
        ]}
        gate={[
          server.egress.length
            ? `Lets ${count(server.egress.length, "host")} through, refuses the rest`
            : "Lets nothing through",
          "Writes every connection to the audit",
        ]}
        outside={[
          ...server.egress.slice(0, 4).map((it) => it.replace(/:443$/, "")),
          server.egress.length > 4 && `and ${count(server.egress.length - 4, "other host")}`,
          refused.length > 0 && `${count(refused.length, "host")} refused today`,
          !server.egress.length && !refused.length && "Nothing, and it asked for nothing",
        ].filter((it) => it !== false)}
      />
      <Hosts server={server} hosts={hosts} />
      <GivenValues server={server} />
      <SharedFolders server={server} />
    </>
  );
}

function insideWords({ folders, secrets }: ServerDetails): string {
  const has = [
    folders.length > 0 && count(folders.length, "folder of yours", "folders of yours"),
    secrets.length > 0 && `${list(secrets)}, in clear`,
  ].filter((it) => it !== false);
  return has.length ? `Has ${list(has)}` : "No folders, no keys";
}

function Hosts({ server, hosts }: { server: ServerDetails; hosts: readonly Reached[] }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [adding, setAdding] = useState(false);
  const [text, setText] = useState("");
  const host = asHostPort(text);
  const change = (word: string, allowed: boolean, name: string) =>
    run(word, async () => {
      const path = { server: server.slug, host_port: name };
      const address = "/api/v1/servers/{server}/egress/{host_port}" as const;
      if (allowed) await api.put(address, { path });
      else await api.delete(address, { path });
      await client.invalidateQueries({ queryKey: keys.server(server.slug) });
    });
  const now = Date.now();
  return (
    <Section
      title="Hosts"
      action={
        <Button icon={Plus} aria-expanded={adding} onClick={() => setAdding(!adding)}>
          Allow a host
        </Button>
      }
    >
      {adding && (
        <form
          className="mb-3 flex flex-wrap items-start gap-2"
          onSubmit={async (event) => {
            event.preventDefault();
            if (!isHostPort(host)) return;
            if (await change("Allowing", true, host)) {
              setText("");
              setAdding(false);
            }
          }}
        >
          <Field
            label="Host and port"
            hint="It holds at once, also for what runs already"
            error={
              text && !isHostPort(host) ? "A host and a port, such as example.com:443" : undefined
            }
            className="min-w-60 flex-1"
          >
            {(names) => (
              <Input
                {...names}
                mono
                autoFocus
                placeholder="api.example.com:443"
                value={text}
                onChange={(event) => setText(event.target.value)}
              />
            )}
          </Field>
          <Button
            type="submit"
            look="primary"
            className="sm:mt-[25px]"
            busy={busy === "Allowing" && busy}
            disabled={!isHostPort(host)}
          >
            Allow
          </Button>
        </form>
      )}
      {error !== null && <ErrorNote className="mb-3" error={error} />}
      <Card>
        {hosts.length === 0 ? (
          <Empty title="It reaches nothing">
            It has no network, and has asked for none since yesterday. What it asks for is listed
            here, where you can allow it.
          </Empty>
        ) : (
          <Table>
            <thead>
              <tr>
                <Th>Host</Th>
                <Th className="max-sm:hidden">Last</Th>
                <Th end>Since yesterday</Th>
                <Th>
                  <span className="sr-only">What to do</span>
                </Th>
              </tr>
            </thead>
            <tbody>
              {hosts.map((it) => (
                <Tr key={it.host}>
                  <Td>
                    <code className={cx("[overflow-wrap:anywhere]", !it.allowed && "text-muted")}>
                      <QuotedLine text={it.host.replace(/:443$/, "")} max={120} />
                    </code>
                    {!it.allowed && (
                      <span className="block text-xs text-muted [overflow-wrap:anywhere]">
                        <Badge tone="danger">Refused</Badge>{" "}
                        <Said text={(it.reason ?? "not on the list").slice(0, 200)} />
                      </span>
                    )}
                  </Td>
                  <Td className="text-muted max-sm:hidden">
                    {it.lastAtMs === null ? "never" : ago(it.lastAtMs, now)}
                  </Td>
                  <Td end className="num">
                    {grouped(it.allowed ? it.connected : it.refused)}
                  </Td>
                  <Td end className="w-0">
                    <Button
                      small
                      look={it.allowed ? "ghost" : "default"}
                      busy={busy === it.host && "Saving"}
                      disabled={busy !== null}
                      aria-label={it.allowed ? `Take off ${it.host}` : `Allow ${it.host}`}
                      onClick={() => change(it.host, !it.allowed, it.host)}
                    >
                      {it.allowed ? "Take off" : "Allow"}
                    </Button>
                  </Td>
                </Tr>
              ))}
            </tbody>
          </Table>
        )}
      </Card>
    </Section>
  );
}

/** A remote server's address and the headers that go there. */
function Remote({ server }: { server: ServerDetails }) {
  const [host = ""] = hostsOf(server);
  return (
    <>
      <Boundary
        inside={["Nothing of it runs on this machine"]}
        gate={[
          "Asks, allows and refuses like for any server",
          server.headers.length
            ? `Adds ${list(server.headers)} on the way`
            : "Adds no key on the way",
        ]}
        outside={[host, "It sees all that its tools are called with"]}
      />
      <Section
        title="Headers with keys"
        hint="Sealed on this machine, and sent to its address only."
      >
        <Headers server={server} />
      </Section>
    </>
  );
}

function Headers({ server }: { server: ServerDetails }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const again = () => client.invalidateQueries({ queryKey: keys.server(server.slug) });
  const isNew = !server.headers.some((it) => it.toLowerCase() === name.trim().toLowerCase());
  return (
    <Card>
      {server.headers.map((it) => (
        <Row
          key={it}
          lead={<Tile icon={KeyRound} />}
          title={<code>{it}</code>}
          actions={
            <Button
              small
              look="danger"
              busy={busy === it && "Removing"}
              disabled={busy !== null}
              aria-label={`Remove ${it}`}
              onClick={() =>
                run(it, async () => {
                  await api.delete("/api/v1/servers/{server}/headers/{header}", {
                    path: { server: server.slug, header: it },
                  });
                  await again();
                })
              }
            >
              Remove
            </Button>
          }
        />
      ))}
      <form
        className="flex flex-wrap items-end gap-3 px-4 py-3"
        onSubmit={async (event) => {
          event.preventDefault();
          const isDone = await run("Saving", async () => {
            await api.put("/api/v1/servers/{server}/headers/{header}", {
              path: { server: server.slug, header: name.trim() },
              body: { value },
            });
            await again();
          });
          if (isDone) {
            setName("");
            setValue("");
          }
        }}
      >
        <Field label="Header" className="min-w-40 flex-1">
          {(names) => (
            <Input
              {...names}
              mono
              placeholder="Authorization"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Value" className="min-w-52 flex-2">
          {(names) => (
            <SecretInput
              {...names}
              placeholder="Bearer …"
              value={value}
              onChange={(event) => setValue(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" busy={busy === "Saving" && busy} disabled={!name.trim() || !value}>
          {isNew ? "Add" : "Replace"}
        </Button>
        {error !== null && <ErrorNote className="basis-full" error={error} />}
      </form>
    </Card>
  );
}
