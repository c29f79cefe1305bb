import { useState } from "react";
import { api } from "@/api/client";
import { signedOut } from "@/api/connection";
import { Button } from "@/components/button";
import { Card } from "@/components/card";
import { CodeLine } from "@/components/code";
import { Switch } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { setShortcutsOn, shortcutsAreOn } from "@/lib/keys";
import { setTheme, useTheme } from "@/lib/theme";
import { useAction } from "@/lib/use-action";

/** What is about this browser. */
export function GeneralSection() {
  const theme = useTheme();
  const [keysOn, setKeysOn] = useState(shortcutsAreOn);
  return (
    <Card>
      <Setting title="Theme" note="Light by day and dark by night, if your system is.">
        <Segmented
          label="Theme"
          value={theme}
          onChange={setTheme}
          options={[
            { value: "system", label: "As the system" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
        />
      </Setting>
      <Setting
        title="Keyboard shortcuts"
        note="Press ? anywhere to see them all. Off, if they are in the way of a screen reader or of other programs."
      >
        <Switch
          label="Keyboard shortcuts"
          hideLabel
          checked={keysOn}
          onCheckedChange={(on) => {
            setShortcutsOn(on);
            setKeysOn(on);
          }}
        />
      </Setting>
      <LoginLink />
      <SignOut />
    </Card>
  );
}

function Setting({
  title,
  note,
  children,
}: {
  title: string;
  note: string;
  children: React.ReactNode;
}) {
  return (
    <div className="grid items-center gap-x-6 gap-y-2 px-4 py-3.5 md:grid-cols-[minmax(0,1fr)_auto]">
      <div>
        <h2 className="font-semibold">{title}</h2>
        <p className="text-muted">{note}</p>
      </div>
      <div className="min-w-0 md:justify-self-end">{children}</div>
    </div>
  );
}

function LoginLink() {
  const { busy, error, run } = useAction();
  const [url, setUrl] = useState<string | null>(null);
  const make = () =>
    run("Making it", async () => {
      setUrl((await api.post("/api/v1/login-links")).url);
    });
  return (
    <Setting
      title="Open on another browser"
      note="A link that gets in once, within a minute. It is for this machine, unless the program listens beyond it."
    >
      {url ? (
        <CodeLine text={url} label="Copy the link" />
      ) : (
        <Button busy={busy} onClick={make}>
          Make a link
        </Button>
      )}
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}

function SignOut() {
  const { busy, error, run } = useAction();
  const end = () =>
    run("Signing out", async () => {
      await api.delete("/api/v1/session");
      signedOut();
    });
  return (
    <Setting
      title="Sign out of this browser"
      note="Chats go on, and servers keep running. To get in again, run archestra open."
    >
      <Button busy={busy} onClick={end}>
        Sign out
      </Button>
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Setting>
  );
}
