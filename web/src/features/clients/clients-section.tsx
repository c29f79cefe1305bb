import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { keys, statusQuery, tokensQuery } from "@/api/queries";
import type { Token } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card, Row, Section } from "@/components/card";
import { CodeLine } from "@/components/code";
import { Confirm } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { Loaded } from "@/components/loaded";
import { Tile } from "@/components/tile";
import { QuotedLine } from "@/components/wall";
import { useNow } from "@/lib/now";
import { ago, count, date, list } from "@/lib/words";
import { endpoint } from "./client-config";
import { ConnectApp } from "./connect-app";

/** Other programs that use the servers through this one. */
export function ClientsSection() {
  const query = useQuery(tokensQuery);
  const { data: status } = useQuery(statusQuery);
  const [connecting, setConnecting] = useState(false);
  const url = endpoint(status?.addresses, location.origin);
  return (
    <>
      <Section
        title="Apps that are let in"
        action={
          <Button look="primary" icon={Plus} onClick={() => setConnecting(true)}>
            Connect an app
          </Button>
        }
      >
        <Loaded query={query} what="The apps">
          {(tokens) => {
            const apps = tokens.filter((it) => it.kind === "client" && !it.revoked_at_ms);
            return (
              <Card>
                {apps.map((it) => (
                  <App key={it.id} token={it} />
                ))}
                {apps.length === 0 && (
                  <Empty title="No app is connected">
                    Claude Desktop, Cursor, VS Code and others can use your servers through
                    Archestra: each gets a token of its own, which you can take back.
                  </Empty>
                )}
              </Card>
            );
          }}
        </Loaded>
      </Section>
      <Section title="Any other app" hint="What speaks MCP can come in with a token.">
        <Card>
          <Row
            title="Address"
            note="For apps that speak MCP over HTTP; with a server’s short name behind it, for that server alone"
            actions={<CodeLine text={url} label="Copy the address" />}
          />
          <Row
            title="Command"
            note="For apps that start a program and speak with it"
            actions={<CodeLine text="archestra connect" label="Copy the command" />}
          />
        </Card>
      </Section>
      <Revoked tokens={query.data ?? []} />
      {connecting && (
        <ConnectApp
          url={url}
          taken={(query.data ?? []).map((it) => it.name)}
          onClose={() => setConnecting(false)}
        />
      )}
    </>
  );
}

const RECENT_MS = 5 * 60_000;

function App({ token }: { token: Token }) {
  const now = useNow(30_000);
  const client = useQueryClient();
  const [removing, setRemoving] = useState(false);
  const used = token.last_used_at_ms ?? null;
  return (
    <Row
      lead={<Tile name={token.name} />}
      title={
        <>
          <QuotedLine text={token.name} max={64} />
          {used === null ? (
            <Badge>Not seen yet</Badge>
          ) : (
            now - used < RECENT_MS && (
              <Badge tone="success" dot="run">
                Active
              </Badge>
            )
          )}
        </>
      }
      note={
        <>
          {reach(token)}. Let in on {date(token.created_at_ms, now)}
          {used !== null && `, last seen ${ago(used, now)}`}.
        </>
      }
      actions={
        <Button
          look="danger"
          onClick={() => setRemoving(true)}
          aria-label={`Shut out… ${token.name}`}
        >
          Shut out…
        </Button>
      }
    >
      <Confirm
        open={removing}
        onOpenChange={setRemoving}
        title={`Shut ${token.name} out?`}
        lost="Its token is not taken any more, at once, and the permissions that were for it alone end. What it did stays in the audit."
        action={`Shut ${token.name} out`}
        onConfirm={async () => {
          await api.delete("/api/v1/tokens/{token}", { path: { token: token.id } });
          await client.invalidateQueries({ queryKey: keys.tokens });
          await client.invalidateQueries({ queryKey: keys.grants });
        }}
      />
    </Row>
  );
}

function reach({ servers, tools }: Token): string {
  if (tools) return count(tools.length, "tool");
  if (!servers) return "All servers";
  return servers.length ? `Only ${list(servers)}` : "No server";
}

function Revoked({ tokens }: { tokens: readonly Token[] }) {
  const gone = tokens.filter((it) => it.kind === "client" && it.revoked_at_ms);
  if (!gone.length) return null;
  return (
    <p className="mt-4 text-xs text-faint">
      {count(gone.length, "app was", "apps were")} shut out before:{" "}
      {list(gone.slice(0, 10).map((it) => it.name))}
      {gone.length > 10 && " and others"}.
    </p>
  );
}
