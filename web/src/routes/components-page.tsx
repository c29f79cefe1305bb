import {
  ArrowRight,
  Check,
  Copy,
  Ellipsis,
  GitFork,
  Globe,
  GlobeOff,
  KeyRound,
  Pencil,
  Plus,
  Trash2,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import { ApprovalCard } from "@/components/approval-card";
import { Badge } from "@/components/badge";
import { Boundary } from "@/components/boundary";
import { Button, IconButton } from "@/components/button";
import { Card, Row } from "@/components/card";
import { CodeLine, CodeWell } from "@/components/code";
import { Confirm } from "@/components/dialog";
import { Diff } from "@/components/diff";
import { Empty } from "@/components/empty";
import { Checkbox, Field, Input, SearchInput, SecretInput, Switch } from "@/components/field";
import { Icon } from "@/components/icon";
import { Kbd } from "@/components/kbd";
import { LogLine } from "@/components/log";
import { Mark } from "@/components/mark";
import { Menu, MenuItem, MenuLine } from "@/components/menu";
import { ErrorNote, Notice } from "@/components/notice";
import { Progress, SkeletonRows, Stones } from "@/components/progress";
import { Segmented } from "@/components/segmented";
import { Table, Td, Th, Tr } from "@/components/table";
import { Tile } from "@/components/tile";
import { ToolCard } from "@/components/tool-card";
import { Quoted, Wall } from "@/components/wall";
import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { toast } from "@/lib/toasts";

const SWATCHES = [
  ["background", "bg-background"],
  ["surface", "bg-surface"],
  ["raised", "bg-raised"],
  ["sunken", "bg-sunken"],
  ["text", "bg-text"],
  ["muted", "bg-muted"],
  ["faint", "bg-faint"],
  ["border-strong", "bg-border-strong"],
  ["accent", "bg-accent"],
  ["accent-soft", "bg-accent-soft"],
  ["sandbox", "bg-sandbox"],
  ["sandbox-soft", "bg-sandbox-soft"],
  ["success", "bg-success"],
  ["warning", "bg-warning"],
  ["danger", "bg-danger"],
  ["danger-soft", "bg-danger-soft"],
] as const;

/** Every part once; only in development and demo builds. */
export default function ComponentsPage() {
  const theme = useTheme();
  const [policy, setPolicy] = useState<"run" | "ask" | "deny">("ask");
  const [search, setSearch] = useState("");
  const [asking, setAsking] = useState(false);
  return (
    <div className="h-dvh overflow-y-auto bg-surface">
      <main className="mx-auto max-w-[80rem] p-8 max-md:p-4">
        <header className="mb-8 flex flex-wrap items-center gap-3.5">
          <Mark className="size-11" />
          <div className="flex-1">
            <h1 className="text-xl font-semibold tracking-[-0.017em]">Components</h1>
            <p className="text-muted">Every part once.</p>
          </div>
          <Segmented<Theme>
            label="Theme"
            value={theme}
            onChange={setTheme}
            options={[
              { value: "system", label: "System" },
              { value: "light", label: "Light" },
              { value: "dark", label: "Dark" },
            ]}
          />
        </header>
        <div className="columns-1 gap-8 md:columns-2 xl:columns-3">
          <Block title="Colour">
            <div className="grid grid-cols-4 gap-x-2 gap-y-2.5">
              {SWATCHES.map(([name, ground]) => (
                <div key={name} className="text-xs text-muted">
                  <i
                    className={`mb-[5px] block h-[34px] rounded-[6px] ring-1 ring-border ring-inset ${ground}`}
                  />
                  {name}
                </div>
              ))}
            </div>
          </Block>
          <Block title="Type">
            <p className="text-2xl font-semibold tracking-[-0.024em]">Good morning, Mira</p>
            <p className="text-xl font-semibold tracking-[-0.017em]">Page title, 22 on 28</p>
            <p className="text-lg font-semibold tracking-[-0.011em]">Section title, 17 on 24</p>
            <p className="text-md">What people and models write, 15 on 24</p>
            <p>The interface, 13 on 20</p>
            <p className="text-xs text-faint">Times, counts and hints, 12 on 16</p>
            <code>mono 12.5 on 20, 0O 1lI {"{} =>"}</code>
          </Block>
          <Block title="Button">
            <Wrap>
              <Button look="primary">Allow once</Button>
              <Button>Deny</Button>
              <Button look="ghost">Allow in this chat</Button>
              <Button look="danger" icon={Trash2} onClick={() => setAsking(true)}>
                Remove…
              </Button>
            </Wrap>
            <Wrap>
              <Button disabled>Disabled</Button>
              <Button busy="Connecting">Connect</Button>
              <Button small icon={Plus}>
                Small
              </Button>
              <IconButton icon={Copy} label="Copy" keys="Ctrl C" />
              <IconButton icon={Ellipsis} label="More" />
            </Wrap>
            <Confirm
              open={asking}
              onOpenChange={setAsking}
              title="Remove GitHub?"
              lost="Its sandbox, its log and its pins are deleted. The chats that used it stay."
              action="Remove GitHub"
              onConfirm={async () => toast.done("GitHub is removed")}
            />
          </Block>
          <Block title="Field">
            <Field label="Name" hint="Letters, digits and dashes">
              {(names) => <Input {...names} defaultValue="GitHub" />}
            </Field>
            <Field label="Port" error="Below 1024 needs root. Choose 1024 to 65535.">
              {(names) => <Input {...names} defaultValue="300" />}
            </Field>
            <Field label="Key" required>
              {(names) => (
                <SecretInput {...names} lead={<Icon of={KeyRound} className="text-faint" />} />
              )}
            </Field>
            <SearchInput label="Filter 26 tools" value={search} onChange={setSearch} />
            <Wrap>
              <Switch label="Follow" defaultChecked />
              <Switch label="Off" />
              <Checkbox label="Chosen" defaultChecked />
            </Wrap>
            <Segmented
              label="When a model wants this tool"
              value={policy}
              onChange={setPolicy}
              options={[
                { value: "run", label: "Run unasked" },
                { value: "ask", label: "Ask" },
                { value: "deny", label: "Deny" },
              ]}
            />
          </Block>
          <Block title="Badge and status">
            <Wrap>
              <Badge tone="sandbox" icon={GlobeOff}>
                No network
              </Badge>
              <Badge tone="outline" icon={Globe}>
                2 hosts
              </Badge>
              <Badge tone="success" dot="run">
                Running
              </Badge>
              <Badge tone="warning" dot="wait">
                Sign in
              </Badge>
              <Badge tone="danger" dot="fail">
                Stopped
              </Badge>
              <Badge dot="idle">Asleep</Badge>
              <Badge dot="busy">Starting</Badge>
              <Badge tone="accent">New</Badge>
              <Kbd>Ctrl K</Kbd>
            </Wrap>
          </Block>
          <Block title="Menu, tooltip, toast">
            <Wrap>
              <Menu align="start" trigger={<Button>Open a menu</Button>}>
                <MenuItem icon={Pencil} keys="F2" onSelect={() => {}}>
                  Rename
                </MenuItem>
                <MenuItem icon={GitFork} onSelect={() => {}}>
                  Branch from here
                </MenuItem>
                <MenuItem icon={Copy} onSelect={() => {}}>
                  Copy as Markdown
                </MenuItem>
                <MenuLine />
                <MenuItem icon={Trash2} danger onSelect={() => {}}>
                  Delete chat…
                </MenuItem>
              </Menu>
              <Button
                onClick={() => toast.done("Cursor is connected", { label: "Undo", run: () => {} })}
              >
                A toast
              </Button>
              <Button
                onClick={() =>
                  toast.failed("Calendar signed you out", { label: "Sign in", run: () => {} })
                }
              >
                One that stays
              </Button>
            </Wrap>
          </Block>
          <Block title="Progress and waiting">
            <Progress label="Mistral Small 24B" note="8.1 of 14.3 GB, 3 min left" value={0.57} />
            <div className="flex items-center gap-2">
              <Stones label="Context" used={0.4} apart={0.2} />
              <span className="num text-xs text-faint">Tools 4.1k, chat 11.8k of 32k</span>
            </div>
            <SkeletonRows rows={1} />
          </Block>
          <Block title="Empty">
            <Card>
              <Empty title="No folders shared" action={<Button icon={Plus}>Share a folder</Button>}>
                This server cannot read or write files on this machine.
              </Empty>
            </Card>
          </Block>
          <Block title="Error with a fix, notice">
            <ErrorNote
              title="Ollama does not answer at 127.0.0.1:11434."
              error={Object.assign(new Error("it may not be running. The message is kept."), {
                details: "connect ECONNREFUSED",
              })}
              fix={{ label: "Try again", run: () => {} }}
            />
            <Notice tone="warning" title="This tool changed after you approved it.">
              It is held back until you decide.
            </Notice>
          </Block>
          <Block title="The wall">
            <Wall label="What Git answered">
              <Quoted
                text={"Searches issues.\u202e gnp.exe\u200b \u001b[31mred\u001b[0m"}
                terminal
              />
            </Wall>
          </Block>
          <Block title="Row and table">
            <Card>
              <Row
                lead={<Tile name="GitHub" />}
                title="GitHub"
                note="npm package, pinned by hash"
                actions={<Button small>Restart</Button>}
              />
              <Table>
                <thead>
                  <tr>
                    <Th>Host</Th>
                    <Th end>Today</Th>
                  </tr>
                </thead>
                <tbody>
                  <Tr>
                    <Td className="font-mono text-code">api.github.com</Td>
                    <Td end>214</Td>
                  </Tr>
                </tbody>
              </Table>
            </Card>
          </Block>
          <Block title="Code, diff, log">
            <CodeWell
              title="src/cart/stock.ts"
              text={'const skus = lines.map((line) => line.sku)\nreturn db.query("…", [skus])'}
            />
            <CodeLine text="archestra open" />
            <Diff
              title={
                <>
                  0.24.0 <Icon of={ArrowRight} size="sm" /> 0.24.1
                </>
              }
              lines={[
                { kind: "head", text: "description" },
                { kind: "gone", text: "Updates an issue." },
                { kind: "new", text: "Updates an issue or its labels." },
              ]}
            />
            <div className="overflow-hidden rounded-card border border-border bg-sunken py-1.5">
              <LogLine
                row={{
                  number: 1,
                  atMs: 0,
                  kind: "network",
                  source: "network",
                  text: "api.github.com 200",
                }}
              />
              <LogLine
                row={{
                  number: 2,
                  atMs: 0,
                  kind: "refused",
                  source: "refused",
                  text: "metrics.io:443",
                }}
              />
            </div>
          </Block>
          <Block title="Tool card">
            <ToolCard
              state="done"
              server="Git"
              tool="Read the history"
              toolName="git_log"
              args={{ folder: "~/src/checkout", since: "2026-11-16" }}
              hosts={[]}
              durationMs={212}
              result={<Quoted mono text="a41f9c2  Tue 17 Nov 14:06  Jonas Pfeil" />}
              footer={<span className="num">214 bytes</span>}
            />
            <ToolCard
              state="running"
              server="GitHub"
              tool="List deployments"
              toolName="list_deployments"
              args={{ repo: "a/b" }}
              hosts={["api.github.com:443"]}
              durationMs={null}
            />
            <ToolCard
              state="failed"
              server="GitHub"
              tool="Read a file"
              toolName="read_file"
              args={{}}
              hosts={null}
              durationMs={30}
              note={
                <ErrorNote
                  error={new Error("the server stopped while it answered")}
                  fix={{ label: "Restart GitHub", run: () => {} }}
                />
              }
            />
          </Block>
          <Block title="Approval">
            <ApprovalCard
              server="GitHub"
              tool="Open an issue"
              toolName="create_issue"
              args={{
                repository: "northwind/checkout",
                title: "Checkout slow for carts over 3 lines",
                body: "x".repeat(900),
              }}
              hosts={["api.github.com:443", "uploads.github.com:443"]}
              secrets={["GITHUB_TOKEN"]}
              folders={[]}
              claims={{ readOnly: false, destructive: false, openWorld: true }}
              scopes={["chat", "everywhere"]}
              editable
              onDecide={async () => toast.done("Decided")}
            />
          </Block>
          <Block title="Boundary">
            <Boundary
              inside={["GitHub server, 2 processes", "No network of its own"]}
              gate={["Lets 2 hosts through, refuses the rest"]}
              outside={["api.github.com", "uploads.github.com"]}
            />
          </Block>
        </div>
        <p className="flex items-center gap-2 text-xs text-faint">
          <Icon of={Check} size="sm" /> All of them take keys alone.
        </p>
      </main>
    </div>
  );
}

function Block({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="flex break-inside-avoid flex-col gap-3 pb-8">
      <h2 className="border-b border-border pb-[7px] text-xs font-medium text-faint">{title}</h2>
      {children}
    </section>
  );
}

function Wrap({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap items-center gap-2.5">{children}</div>;
}
