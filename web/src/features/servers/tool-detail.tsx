import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { keys } from "@/api/queries";
import type { Effect, ServerDetails, ToolReview } from "@/api/types";
import { claimWords } from "@/components/approval-card";
import { Button } from "@/components/button";
import { CodeWell, CopyButton } from "@/components/code";
import { Diff } from "@/components/diff";
import { Heading } from "@/components/heading";
import { ErrorNote, Notice } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { Quoted, Wall } from "@/components/wall";
import { plainly } from "@/lib/hostile";
import { toolClaims, toolDescription, toolTitle } from "@/lib/tool-words";
import { useAction } from "@/lib/use-action";
import { count, date, grouped, list } from "@/lib/words";
import { look, lookError } from "./look";
import { ToolForm } from "./tool-form";
import {
  allText,
  definitionOf,
  diffLines,
  lookAt,
  privateFiles,
  proposal,
  tokens,
} from "./tool-review";

const EFFECTS: ReadonlyArray<{ value: Effect; label: string }> = [
  { value: "allow", label: "Run unasked" },
  { value: "ask", label: "Ask" },
  { value: "deny", label: "Deny" },
];

/** One tool: what its server says of it, what may be done with it, and a form to run it by hand. */
export function ToolDetail({
  server,
  review,
  others,
}: {
  server: ServerDetails;
  review: ToolReview;
  /** How many other tools the server has. */
  others: number;
}) {
  const definition = definitionOf(review);
  const why = lookAt(review);
  const title = toolTitle(definition, review.name);
  return (
    <article aria-label={title} className="flex min-w-0 flex-col gap-4">
      <header className="flex flex-wrap items-start gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1">
          <Heading className="text-lg font-semibold tracking-[-0.011em] [overflow-wrap:anywhere]">
            {title}
          </Heading>
          <code className="text-muted [overflow-wrap:anywhere]">{plainly(review.name)}</code>
        </div>
        {why === null && <Setting server={server} review={review} />}
      </header>
      {(why === "new" || why === "added") && (
        <Words server={server} review={review} definition={definition} />
      )}
      {why !== null && why !== "gone" && (
        <ToLookAt server={server} review={review} why={why} others={others} />
      )}
      {why === "gone" && (
        <Notice title="The server does not tell this tool any more.">
          It cannot be called. If it comes back as it was, what you said about it holds again.
        </Notice>
      )}
      {(why === null || why === "gone") && (
        <Words server={server} review={review} definition={definition} />
      )}
      {(why === null || why === "new") && (
        <ToolForm server={server} name={review.name} definition={definition} />
      )}
      <Whole review={review} definition={definition} />
    </article>
  );
}

/** What may be done with a tool that somebody has looked at. */
function Setting({ server, review }: { server: ServerDetails; review: ToolReview }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [chosen, setChosen] = useState<Effect | null>(null);
  const set = async (setting: Effect) => {
    setChosen(setting);
    await run("Saving", async () => {
      await look(server.slug, [{ review, setting }]);
      await client.invalidateQueries({ queryKey: keys.serverTools(server.slug) });
      await client.invalidateQueries({ queryKey: keys.tools });
    });
    setChosen(null);
  };
  return (
    <div className="max-w-full">
      <Segmented
        label={`What may be done with ${review.name}`}
        value={chosen ?? review.pinned?.setting ?? "ask"}
        onChange={set}
        disabled={busy !== null}
        options={EFFECTS}
      />
      {error !== null && <ErrorNote className="mt-2" error={lookError(error)} />}
    </div>
  );
}

const LOOK_WORDS = {
  changed: [
    "This tool changed after it was looked at.",
    "It is held back from every chat and client until you decide.",
  ],
  added: [
    "The server added this tool after the others were looked at.",
    "It is held back from every chat and client until you decide.",
  ],
  new: ["Nobody has looked at this tool yet.", "Until then it asks each time."],
} as const;

function ToLookAt({
  server,
  review,
  why,
  others,
}: {
  server: ServerDetails;
  review: ToolReview;
  why: "changed" | "added" | "new";
  others: number;
}) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [setting, setSetting] = useState<Effect>(() => proposal(review));
  const [title, note] = LOOK_WORDS[why];
  const approve = async (word: string, effect: Effect) => {
    const isDone = await run(word, () => look(server.slug, [{ review, setting: effect }]));
    if (!isDone) return;
    await client.invalidateQueries({ queryKey: keys.serverTools(server.slug) });
    await client.invalidateQueries({ queryKey: keys.tools });
  };
  const approveWord = why === "changed" ? "Approve the change" : "I have looked at it";
  return (
    <>
      <Notice tone={why === "new" ? "plain" : "warning"} title={title}>
        {note} {why !== "new" && others > 0 && `The other ${count(others, "tool")} go on.`}
        {review.renamed_from && (
          <p>
            But for its name it is <code>{plainly(review.renamed_from)}</code>, which is gone.
          </p>
        )}
      </Notice>
      {review.changes.length > 0 && (
        <Diff
          title={
            review.pinned?.looked_at_ms
              ? `As it was looked at on ${date(review.pinned.looked_at_ms, Date.now())}, and as it is now`
              : "As it was pinned, and as it is now"
          }
          lines={diffLines(review.changes)}
        />
      )}
      <Findings review={review} />
      {error !== null && (
        <ErrorNote
          error={lookError(error)}
          fix={{
            label: "Show what it is now",
            run: () => void client.invalidateQueries({ queryKey: keys.serverTools(server.slug) }),
          }}
        />
      )}
      <div className="flex flex-wrap items-center gap-2">
        <Segmented
          label="What may be done with it then"
          value={setting}
          onChange={setSetting}
          disabled={busy !== null}
          options={EFFECTS}
        />
        <Button
          look={why === "changed" ? "default" : "primary"}
          busy={busy}
          onClick={() => approve("Saving", setting)}
        >
          {approveWord}
        </Button>
      </div>
    </>
  );
}

/** What a reader would miss in a definition, or should stop at. */
function Findings({ review }: { review: ToolReview }) {
  const files = privateFiles(allText(review.told?.definition));
  const fields = [...new Set(review.hidden.map((it) => it.field))];
  const kinds = [...new Set(review.hidden.map((it) => it.character))];
  return (
    <>
      {review.hidden.length > 0 && (
        <Notice
          tone="danger"
          title={`${count(review.hidden.length, "character")} in it ${review.hidden.length > 1 ? "do" : "does"} not show.`}
        >
          {list(kinds)} in {list(fields)}. People do not see such characters, and models read them.
          They are marked here.
        </Notice>
      )}
      {files.length > 0 && (
        <Notice tone="danger" title={`Its words name a private file: ${list(files)}.`}>
          Few tools have a reason to. It can read what you shared with its server, and nothing else
          of this machine.
        </Notice>
      )}
    </>
  );
}

/** The server's own words, and what they claim. */
function Words({
  server,
  review,
  definition,
}: {
  server: ServerDetails;
  review: ToolReview;
  definition: Record<string, unknown>;
}) {
  const description = toolDescription(definition);
  const looked = review.pinned?.looked_at_ms;
  return (
    <div>
      <Wall>
        {description ? (
          <Quoted text={description} linesMax={24} charactersMax={2000} />
        ) : (
          <p className="text-faint">It says nothing about it.</p>
        )}
      </Wall>
      <p className="mt-1.5 ps-[15px] text-xs text-faint">
        The server’s own words
        {looked && `, looked at on ${date(looked, Date.now())} by ${review.pinned?.looked_by}`}.
        About {grouped(tokens(definition))} tokens for a model.{" "}
        {claimWords(server.title, toolClaims(definition))}
      </p>
      {lookAt(review) === null && (
        <div className="mt-3 flex flex-col gap-3 empty:hidden">
          <Findings review={review} />
        </div>
      )}
    </div>
  );
}

/** The definition as it was sent, and what stands for it. */
function Whole({
  review,
  definition,
}: {
  review: ToolReview;
  definition: Record<string, unknown>;
}) {
  const pin = review.told?.pin ?? review.pinned?.pin;
  return (
    <Fold title="Its whole definition">
      <CodeWell
        title="As the server sent it"
        text={plainly(JSON.stringify(definition, null, 2))}
        wrap
      />
      {pin && (
        <p className="mt-2 flex min-w-0 items-center gap-2 text-xs text-faint">
          Pin
          <code className="min-w-0 truncate text-xs">{pin}</code>
          <CopyButton text={pin} label="Copy the pin" />
        </p>
      )}
      {review.told && (
        <p className="text-xs text-faint">
          Chats and clients know it as{" "}
          <code className="text-xs">{plainly(review.told.advertised)}</code>
        </p>
      )}
    </Fold>
  );
}

function Fold({ title, children }: { title: string; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <section>
      <Button
        look="ghost"
        small
        className="-ms-2.5"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {title}
      </Button>
      {open && <div className="mt-2">{children}</div>}
    </section>
  );
}
