import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { api } from "@/api/client";
import { keys } from "@/api/queries";
import type { ServerDetails, ToolChanges } from "@/api/types";
import { Button } from "@/components/button";
import { Card, Facts, Section } from "@/components/card";
import { CodeLine } from "@/components/code";
import { ErrorNote } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { useAction } from "@/lib/use-action";
import { moment } from "@/lib/words";
import {
  ArgumentsSetting,
  IdleSetting,
  NameSetting,
  ProcessesSetting,
  Setting,
} from "./edit-settings";
import { RemoveServer } from "./remove-server";
import { sourceName } from "./source-words";

const CHANGES: Record<ToolChanges, string> = {
  ask: "A change or a new tool is held back until you have looked at it.",
  follow: "Changes are taken over. What you said about a tool goes on to hold.",
  block: "What is new or different is kept away, and nobody is asked about it.",
};

/** How a server is treated, what it is, and how it goes. */
export function SettingsTab({ server }: { server: ServerDetails }) {
  const [removing, setRemoving] = useState(false);
  const isPackage = server.source.kind === "package";
  return (
    <>
      <Card>
        <NameSetting server={server} />
        <ToolChangesSetting server={server} />
        <Setting
          title="Its address"
          note="For a client that shall see this server alone. The clients’ page has one for all."
        >
          <CodeLine text={new URL(server.path, location.href).href} label="Copy its address" />
        </Setting>
        {isPackage && (
          <>
            <ProcessesSetting server={server} />
            <IdleSetting server={server} />
            <ArgumentsSetting server={server} />
            <Setting
              title="Its package"
              note="Another version or command is installed beside this one, after a review."
            >
              <Button asChild>
                <Link to="/servers/add" search={{ from: server.slug }}>
                  Change and install again
                </Link>
              </Button>
            </Setting>
          </>
        )}
      </Card>
      <Section title="What it is">
        <Facts facts={facts(server)} />
      </Section>
      <div className="mt-6">
        <Card>
          <Setting
            title={`Remove ${server.title}`}
            note="Stops it and deletes its container, log, secrets and pins. Your folders stay."
          >
            <Button look="danger" icon={Trash2} onClick={() => setRemoving(true)}>
              Remove…
            </Button>
          </Setting>
        </Card>
      </div>
      <RemoveServer server={server} open={removing} onOpenChange={setRemoving} />
    </>
  );
}

function facts(server: ServerDetails): Array<[string, ReactNode]> {
  const { install } = server;
  const mono = (text: string) => <code className="[overflow-wrap:anywhere]">{text}</code>;
  const all: Array<[string, ReactNode | null | undefined | false]> = [
    ["From", mono(sourceName(server.source))],
    ["Version", install?.resolved_version && mono(install.resolved_version)],
    ["Command", install?.argv?.length && mono([...install.argv, ...server.args].join(" "))],
    ["Hash", install?.integrity && mono(install.integrity)],
    ["Lock file", install?.lock_sha256 && mono(`sha256:${install.lock_sha256}`)],
    ["Short name", mono(server.slug)],
    ["Identifier", mono(server.id)],
    ["Added", moment(server.created_at_ms)],
  ];
  return all.filter((it): it is [string, ReactNode] => Boolean(it[1]));
}

function ToolChangesSetting({ server }: { server: ServerDetails }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [chosen, setChosen] = useState<ToolChanges | null>(null);
  const value = chosen ?? server.tool_changes;
  const set = async (changes: ToolChanges) => {
    setChosen(changes);
    await run("Saving", async () => {
      await api.put("/api/v1/servers/{server}/tool-changes", {
        path: { server: server.slug },
        body: { changes },
      });
      await client.invalidateQueries({ queryKey: keys.server(server.slug) });
      await client.invalidateQueries({ queryKey: keys.serverTools(server.slug) });
    });
    setChosen(null);
  };
  return (
    <Setting title="When its tools change" note={CHANGES[value]}>
      <Segmented
        label="When its tools change"
        value={value}
        onChange={set}
        disabled={busy !== null}
        options={[
          { value: "ask", label: "Ask me" },
          { value: "follow", label: "Follow" },
          { value: "block", label: "Block" },
        ]}
      />
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}
