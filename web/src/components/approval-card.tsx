import { ChevronDown, Folder, Globe, GlobeOff, KeyRound, Pencil, PenLine } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Arguments } from "@/components/arguments";
import { Button } from "@/components/button";
import { Textarea } from "@/components/field";
import { Heading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Menu, MenuItem } from "@/components/menu";
import { ErrorNote, Notice } from "@/components/notice";
import { Tile } from "@/components/tile";
import { hostName } from "@/components/tool-card";
import { plainly } from "@/lib/hostile";
import { useShortcut } from "@/lib/keys";
import { type JsonObject, parseObject } from "@/lib/schema-form";
import type { Claims } from "@/lib/tool-words";
import { list } from "@/lib/words";

export type Scope = "once" | "chat" | "client" | "everywhere";

export type Decision =
  | { kind: "approve"; scope: Scope; args?: JsonObject }
  | { kind: "deny"; reason?: string };

export interface ApprovalCardProps {
  server: string;
  tool: string;
  toolName: string;
  args: JsonObject;
  hosts: readonly string[] | null;
  /** Names of the secrets that the server was given. */
  secrets: readonly string[];
  folders: ReadonlyArray<{ path: string; write: boolean }>;
  claims: Claims;
  /** Where else a permission can hold. */
  scopes: readonly Scope[];
  /** Who wants it, where that is not this chat. */
  asker?: ReactNode;
  /** The first button takes the focus when the card comes; false in lists of several. */
  takesFocus?: boolean;
  /** The arguments may be changed before they are sent. */
  editable?: boolean;
  onDecide: (decision: Decision) => Promise<void>;
  /** Where Esc goes: back to writing, without an answer. */
  onEscape?: () => void;
}

const SCOPE_WORDS: Record<Exclude<Scope, "once">, string> = {
  chat: "Allow in this chat",
  client: "Allow for this app",
  everywhere: "Always allow this tool",
};

/** A question to the person, in the thread, with only what Archestra enforces or quotes. */
export function ApprovalCard(props: ApprovalCardProps) {
  const { server, tool, toolName, args, scopes, asker, onDecide, onEscape } = props;
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [mode, setMode] = useState<"ask" | "deny" | "edit">("ask");
  const first = useRef<HTMLButtonElement>(null);
  const { takesFocus = false } = props;
  useEffect(() => {
    // Somebody who writes is not torn away.
    const active = document.activeElement;
    const isWriting = active instanceof HTMLTextAreaElement && active.value !== "";
    if (takesFocus && !isWriting) first.current?.focus({ preventScroll: true });
  }, [takesFocus]);

  const decide = async (word: string, decision: Decision) => {
    setBusy(word);
    setError(null);
    try {
      await onDecide(decision);
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(null);
    }
  };

  const canAnswer = takesFocus && mode === "ask" && busy === null;
  useShortcut(
    "allow",
    canAnswer ? () => void decide("Allowing", { kind: "approve", scope: "once" }) : null,
  );
  useShortcut("deny", canAnswer ? () => void decide("Denying", { kind: "deny" }) : null);

  return (
    <section
      aria-label={`Approval needed: ${server}, ${tool}`}
      className="min-w-0 overflow-hidden rounded-card border border-[color-mix(in_oklab,var(--warning)_55%,var(--border))] bg-surface ring-[3px] ring-warning/12"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        if (mode === "ask") onEscape?.();
        else setMode("ask");
      }}
    >
      <header className="flex items-center gap-2.5 px-3.5 pt-3 pb-2.5">
        <Tile name={server} size="sm" />
        <Heading className="min-w-0 flex-1 text-md font-semibold [overflow-wrap:anywhere]">
          Let {server} run “{tool}”?
        </Heading>
        <code className="text-xs text-faint max-sm:hidden">{plainly(toolName)}</code>
      </header>
      {asker && <p className="-mt-1 px-3.5 pb-2.5 text-muted">{asker}</p>}
      <ul className="grid gap-[7px] px-3.5 pb-3">
        <Facts {...props} />
      </ul>
      {mode === "edit" ? (
        <EditArguments
          args={args}
          busy={busy !== null}
          onCancel={() => setMode("ask")}
          onDone={(edited) => decide("Allowing", { kind: "approve", scope: "once", args: edited })}
        />
      ) : (
        <div className="border-t border-border bg-sunken px-3.5 py-2.5">
          <Arguments value={args} mono={false} />
        </div>
      )}
      {error !== null && (
        <div className="border-t border-border px-3.5 py-3">
          <ErrorNote error={error} />
        </div>
      )}
      {mode === "deny" && (
        <DenyForm
          busy={busy !== null}
          onCancel={() => setMode("ask")}
          onDeny={(reason) =>
            decide("Denying", reason ? { kind: "deny", reason } : { kind: "deny" })
          }
        />
      )}
      {mode === "ask" && (
        <footer className="flex flex-wrap items-center gap-2 border-t border-border px-3.5 py-2.5 max-sm:[&>button]:flex-[1_1_44%]">
          <span className="inline-flex max-sm:flex-[1_1_44%]">
            <Button
              className="max-sm:flex-1 rounded-e-none"
              busy={busy === "Denying" && busy}
              disabled={busy !== null}
              onClick={() => decide("Denying", { kind: "deny" })}
            >
              Deny
            </Button>
            <Menu
              align="start"
              trigger={
                <Button
                  aria-label="More ways to answer"
                  className="-ms-px rounded-s-none px-1.5"
                  disabled={busy !== null}
                >
                  <Icon of={ChevronDown} size="sm" className="text-muted" />
                </Button>
              }
            >
              <MenuItem onSelect={() => setMode("deny")}>Deny and say why…</MenuItem>
              {props.editable && (
                <MenuItem icon={Pencil} onSelect={() => setMode("edit")}>
                  Change the arguments…
                </MenuItem>
              )}
            </Menu>
          </span>
          <Button
            ref={first}
            look="primary"
            busy={busy === "Allowing" && busy}
            disabled={busy !== null}
            onClick={() => decide("Allowing", { kind: "approve", scope: "once" })}
          >
            Allow once
          </Button>
          {scopes.map(
            (scope) =>
              scope !== "once" && (
                <Button
                  key={scope}
                  look="ghost"
                  disabled={busy !== null}
                  onClick={() => decide(SCOPE_WORDS[scope], { kind: "approve", scope })}
                >
                  {SCOPE_WORDS[scope]}
                </Button>
              ),
          )}
        </footer>
      )}
    </section>
  );
}

function Facts({ server, hosts, secrets, folders, claims }: ApprovalCardProps) {
  return (
    <>
      {hosts !== null && (
        <Fact icon={hosts.length ? Globe : GlobeOff}>
          {hosts.length ? (
            <>
              It can reach <Names names={hosts.map(hostName)} />, and nothing else.
            </>
          ) : (
            "It has no network: nothing that it is given can leave this machine."
          )}
        </Fact>
      )}
      {secrets.length > 0 && (
        <Fact icon={KeyRound}>
          You gave {server} <Names names={secrets} />, and it can read{" "}
          {secrets.length > 1 ? "them" : "it"}.
        </Fact>
      )}
      {folders.length > 0 && (
        <Fact icon={Folder}>
          It can {folders.some((it) => it.write) ? "read and change" : "read"}{" "}
          <Names names={folders.map((it) => it.path)} /> on this machine.
        </Fact>
      )}
      <Fact icon={PenLine}>{claimWords(server, claims)}</Fact>
    </>
  );
}

/** What kind of change the tool says it is, marked as its claim. */
export function claimWords(server: string, { readOnly, destructive }: Claims): string {
  if (readOnly) return `${server} says that it only reads; that is its own claim.`;
  if (destructive === false) {
    return `It may change something. ${server} calls it “not destructive”; that is its own claim.`;
  }
  if (destructive) return `${server} says that it may delete or overwrite something.`;
  return `${server} does not say whether it changes or deletes something.`;
}

function Fact({ icon, children }: { icon: typeof Globe; children: ReactNode }) {
  return (
    <li className="grid grid-cols-[22px_1fr] gap-2.5 text-muted">
      <Icon of={icon} className="mt-0.5 justify-self-center text-faint" />
      <span className="min-w-0 [overflow-wrap:anywhere]">{children}</span>
    </li>
  );
}

function Names({ names }: { names: readonly string[] }) {
  return <b className="font-medium text-text">{list(names)}</b>;
}

function DenyForm({
  busy,
  onCancel,
  onDeny,
}: {
  busy: boolean;
  onCancel: () => void;
  onDeny: (reason: string) => void;
}) {
  const [reason, setReason] = useState("");
  return (
    <form
      className="flex flex-col gap-2 border-t border-border px-3.5 py-3"
      onSubmit={(event) => {
        event.preventDefault();
        onDeny(reason.trim());
      }}
    >
      <Textarea
        aria-label="Why not; the model reads it"
        placeholder="Why not? The model reads this and can do better"
        autoFocus
        rows={2}
        maxLength={2000}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="flex gap-2">
        <Button type="submit" busy={busy && "Denying"}>
          Deny
        </Button>
        <Button look="ghost" onClick={onCancel}>
          Back
        </Button>
      </div>
    </form>
  );
}

function EditArguments({
  args,
  busy,
  onCancel,
  onDone,
}: {
  args: JsonObject;
  busy: boolean;
  onCancel: () => void;
  onDone: (args: JsonObject) => void;
}) {
  const [text, setText] = useState(() => JSON.stringify(args, null, 2));
  const parsed = parseObject(text);
  return (
    <form
      className="flex flex-col gap-2 border-t border-border bg-sunken px-3.5 py-3"
      onSubmit={(event) => {
        event.preventDefault();
        if ("value" in parsed) onDone(parsed.value);
      }}
    >
      <Textarea
        aria-label="Arguments as JSON"
        mono
        autoFocus
        rows={Math.min(16, text.split("\n").length + 1)}
        value={text}
        aria-invalid={"error" in parsed || undefined}
        onChange={(event) => setText(event.target.value)}
      />
      {"error" in parsed && <p className="text-xs text-danger">{parsed.error}</p>}
      <Notice>The model is told that you changed the arguments.</Notice>
      <div className="flex gap-2">
        <Button type="submit" look="primary" disabled={"error" in parsed} busy={busy && "Allowing"}>
          Allow once with these
        </Button>
        <Button look="ghost" onClick={onCancel}>
          Back
        </Button>
      </div>
    </form>
  );
}
