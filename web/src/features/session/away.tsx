import { PlugZap } from "lucide-react";
import { useState } from "react";
import { probe, useConnection } from "@/api/connection";
import { useLinkRefusal } from "@/api/session";
import { Button } from "@/components/button";
import { CodeLine } from "@/components/code";
import { Icon } from "@/components/icon";
import { Mark } from "@/components/mark";
import { Notice } from "@/components/notice";
import { Dot } from "@/components/status";
import { sentence } from "@/lib/words";

/** Lies over the page while the program does not answer, and goes by itself. What was typed stays. */
export function Away() {
  const connection = useConnection();
  const [asking, setAsking] = useState(false);
  if (connection !== "away") return null;
  const again = async () => {
    setAsking(true);
    await probe();
    setAsking(false);
  };
  return (
    <div
      role="alertdialog"
      aria-modal="true"
      aria-labelledby="away-title"
      aria-describedby="away-text"
      className="fixed inset-0 z-50 grid animate-appear place-items-center bg-scrim p-6"
    >
      <div className="w-full max-w-[30rem] rounded-dialog border border-border bg-raised p-6 shadow-dialog">
        <h2
          id="away-title"
          className="flex items-center gap-2.5 text-lg font-semibold tracking-[-0.011em]"
        >
          <Icon of={PlugZap} size="lg" className="text-warning" />
          The program does not answer
        </h2>
        <div id="away-text" className="mt-2 flex flex-col gap-2 text-muted">
          <p>
            It has stopped, or is just starting again. What you have typed is kept, and runs are in
            its log.
          </p>
          <p>To start it, run this in a terminal:</p>
          <CodeLine text="archestra serve" />
        </div>
        <div className="mt-5 flex flex-wrap items-center gap-3 border-t border-border pt-4">
          <span role="status" className="flex flex-1 items-center gap-2 text-xs text-faint">
            <Dot shape="busy" /> This page comes back by itself
          </span>
          <Button busy={asking && "Looking"} onClick={again} autoFocus>
            Look now
          </Button>
        </div>
      </div>
    </div>
  );
}

/** In place of the page while there is no session: how to get in. */
export function SignedOut() {
  const refusal = useLinkRefusal();
  return (
    <main className="grid h-dvh place-items-center overflow-y-auto bg-surface p-6">
      <div className="w-full max-w-[34rem]">
        <Mark className="mb-5 -ml-0.5 size-12" />
        <h1 className="text-2xl font-semibold tracking-[-0.024em]">
          Open the page from a terminal
        </h1>
        <p className="mt-2 mb-5 text-md text-muted">
          There is no session in this browser, or it has ended. Whoever can run a command on this
          machine can get in.
        </p>
        {refusal && (
          <Notice tone="warning" className="mb-4" title="The link was not taken.">
            {sentence(refusal)}. A link is good once, for a minute.
          </Notice>
        )}
        <CodeLine text="archestra open" />
        <p className="mt-3 text-muted">
          It opens this page with a new link. In a container:{" "}
          <code>podman exec -it archestra archestra open --print</code>
        </p>
        <p role="status" className="mt-6 flex items-center gap-2 text-xs text-faint">
          <Dot shape="busy" /> This page goes on by itself once you are in
        </p>
      </div>
    </main>
  );
}
