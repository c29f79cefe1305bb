import { type ReactNode, useState } from "react";
import type { ServerDetails } from "@/api/types";
import { Button } from "@/components/button";
import { Input, Textarea } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { useEditServer } from "./use-edit-server";

const TITLE_MAX = 80;

/** A setting: what it is at one side, how it is set at the other. */
export function Setting({
  title,
  note,
  children,
}: {
  title: string;
  note: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="grid items-center gap-x-6 gap-y-2 px-4 py-3.5 md:grid-cols-[minmax(0,1fr)_minmax(0,20rem)]">
      <div>
        <h3 className="font-semibold">{title}</h3>
        <p className="text-muted">{note}</p>
      </div>
      <div className="min-w-0 md:justify-self-end">{children}</div>
    </div>
  );
}

/** What people see the server called; its short name stays. */
export function NameSetting({ server }: { server: ServerDetails }) {
  const { busy, error, edit } = useEditServer(server.slug);
  const [typed, setTyped] = useState<string | null>(null);
  const title = typed ?? server.title;
  const isOther = title.trim() !== "" && title.trim() !== server.title;
  return (
    <Setting
      title="Name"
      note={
        <>
          Models and clients know it as <code>{server.slug}</code>, which stays.
        </>
      }
    >
      <form
        className="flex gap-2 md:w-80"
        onSubmit={async (event) => {
          event.preventDefault();
          if (isOther && (await edit("Saving", { title: title.trim() }))) setTyped(null);
        }}
      >
        <Input
          aria-label="Name"
          boxClassName="flex-1"
          maxLength={TITLE_MAX}
          value={title}
          onChange={(event) => setTyped(event.target.value)}
        />
        {isOther && (
          <Button type="submit" look="primary" busy={busy}>
            Save
          </Button>
        )}
      </form>
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}

/** Who shares one running copy, and so its memory. */
export function ProcessesSetting({ server }: { server: ServerDetails }) {
  const { busy, error, edit } = useEditServer(server.slug);
  return (
    <Setting title="Processes" note="Who shares one running copy, and so what it remembers.">
      <Segmented
        label="Processes"
        value={server.isolation}
        onChange={(isolation) => edit("Saving", { isolation })}
        disabled={busy !== null}
        options={[
          { value: "principal", label: "One per person" },
          { value: "shared", label: "One for all" },
        ]}
      />
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}

/** Whether it runs while nobody uses it. */
export function IdleSetting({ server }: { server: ServerDetails }) {
  const { busy, error, edit } = useEditServer(server.slug);
  return (
    <Setting
      title="While nobody uses it"
      note={
        server.keep_warm
          ? "It is kept running, and answers without a start."
          : "It sleeps, and wakes with the next call."
      }
    >
      <Segmented
        label="While nobody uses it"
        value={server.keep_warm ? "runs" : "sleeps"}
        onChange={(value) => edit("Saving", { keep_warm: value === "runs" })}
        disabled={busy !== null}
        options={[
          { value: "sleeps", label: "Sleeps" },
          { value: "runs", label: "Stays running" },
        ]}
      />
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}

/** What its process is started with, after the command itself; one on each line. */
export function ArgumentsSetting({ server }: { server: ServerDetails }) {
  const { busy, error, edit } = useEditServer(server.slug);
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? server.args.join("\n");
  const isOther = text !== server.args.join("\n");
  return (
    <Setting
      title="Arguments"
      note="One on each line, after its command. What runs is ended and begins anew with them."
    >
      <form
        className="flex flex-col items-end gap-2 md:w-80"
        onSubmit={async (event) => {
          event.preventDefault();
          const args = text.split("\n").filter((it) => it !== "");
          if (await edit("Saving", { args })) setTyped(null);
        }}
      >
        <Textarea
          mono
          aria-label="Arguments"
          rows={Math.min(8, Math.max(2, text.split("\n").length))}
          value={text}
          placeholder="none"
          onChange={(event) => setTyped(event.target.value)}
        />
        {isOther && (
          <span className="flex gap-2">
            <Button onClick={() => setTyped(null)}>Put back</Button>
            <Button type="submit" look="primary" busy={busy}>
              Save
            </Button>
          </span>
        )}
      </form>
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}
