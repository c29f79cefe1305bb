import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, Folder, GlobeOff, type LucideIcon, Plug, TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { api } from "@/api/client";
import {
  chatsQuery,
  imageQuery,
  keys,
  machineQuery,
  modelsQuery,
  providersQuery,
  serverQuery,
  serversQuery,
  whoamiQuery,
} from "@/api/queries";
import type { BaseImage as BaseImageBody, Server } from "@/api/types";
import { Button } from "@/components/button";
import { Card, Row } from "@/components/card";
import { CodeLine } from "@/components/code";
import { BelowHeading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Mark } from "@/components/mark";
import { ErrorNote } from "@/components/notice";
import { Bar, Progress } from "@/components/progress";
import { Said } from "@/components/said";
import { Dot } from "@/components/status";
import { Tile } from "@/components/tile";
import { SeenText } from "@/components/wall";
import { cx } from "@/lib/classes";
import { useNow } from "@/lib/now";
import { stateWords } from "@/lib/server-words";
import { SUGGESTIONS, type Suggestion } from "@/lib/suggested-servers";
import { useAction } from "@/lib/use-action";
import { count, duration, humanName, sentence } from "@/lib/words";
import { greeting, isOf, modelPart, type Part, QUESTIONS, sandboxPart } from "./ready";

const LOOK_AGAIN_MS = 10_000;

/** What one sees before the first message: what is ready, what to try, what to ask. */
export function Welcome({ suggest }: { suggest: (text: string) => void }) {
  const { data: who } = useQuery(whoamiQuery);
  const { data: servers } = useQuery(serversQuery);
  const { data: models } = useQuery(modelsQuery);
  const { data: providers } = useQuery(providersQuery);
  const { data: chats } = useInfiniteQuery(chatsQuery(""));
  const doctor = useQuery({
    ...machineQuery,
    // What somebody mends in a terminal is seen here by itself.
    refetchInterval: ({ state }) =>
      sandboxPart(state.data?.findings).state === "missing" ? LOOK_AGAIN_MS : false,
  });
  const sandbox = sandboxPart(doctor.data?.findings);
  const model = modelPart(models, providers);
  const ready = (servers ?? []).filter((it) => it.tools > 0);
  const knows = Boolean(chats?.pages[0]?.chats.length) && ready.length > 0;
  const showSetup = !knows || sandbox.state === "missing" || model.state === "missing";
  const name = who && who.principal !== "owner" ? `, ${humanName(who.principal)}` : "";
  return (
    <div
      className={cx(
        // On phones the button that shows the sidebar stands above it.
        "mx-auto w-full max-w-[calc(var(--thread)+3rem)] px-4 pb-6 max-md:pt-14 md:px-6",
        showSetup ? "pt-[clamp(1rem,4vh,3rem)]" : "pt-[clamp(1.5rem,9vh,6rem)]",
      )}
    >
      <Mark className="mb-5 -ml-0.5 size-12 max-md:mb-4 max-md:size-11" />
      <h1 className="text-2xl font-semibold tracking-[-0.024em]">
        {greeting(new Date().getHours())}
        {name}
      </h1>
      <p className="mt-1.5 max-w-[36rem] text-md text-muted">
        Ask a model, and let it use tools. Every tool server runs in a sandbox of its own, and what
        it may reach is yours to say.
      </p>
      {showSetup && (
        <Card className="mt-6" aria-label="What is ready">
          <Sandbox
            part={sandbox}
            error={doctor.data ? null : doctor.error}
            busy={doctor.isFetching}
            again={() => void doctor.refetch()}
          />
          <Model part={model} hasModels={Boolean(models?.models.length)} />
          <Servers servers={servers} ready={ready.length} isNext={sandbox.state !== "missing"} />
        </Card>
      )}
      {servers && ready.length === 0 && <Try servers={servers} />}
      <Questions servers={ready} suggest={suggest} />
    </div>
  );
}

function Line({
  part,
  title,
  icon,
  accent = false,
  children,
  actions,
}: {
  part: Part["state"];
  title: string;
  icon?: LucideIcon;
  /** The next thing to do. */
  accent?: boolean;
  children: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div
      className={cx(
        "grid grid-cols-[20px_minmax(0,1fr)] items-center gap-x-4 gap-y-2 px-4 py-3 sm:grid-cols-[20px_minmax(0,1fr)_auto]",
        accent && "bg-accent-soft",
      )}
    >
      <span className="grid size-5 place-items-center self-start pt-px">
        {part === "looking" ? (
          <Dot shape="busy" label="Looking" />
        ) : part === "ready" ? (
          <Icon of={Check} className="text-success" />
        ) : (
          <Icon of={icon ?? TriangleAlert} className={icon ? "text-accent-text" : "text-warning"} />
        )}
      </span>
      <div className="min-w-0">
        <h2 className="font-semibold">{title}</h2>
        <div className="text-muted [overflow-wrap:anywhere]">{children}</div>
      </div>
      {actions && <div className="flex flex-wrap gap-2 max-sm:col-start-2">{actions}</div>}
    </div>
  );
}

function Sandbox({
  part,
  error,
  busy,
  again,
}: {
  part: Part;
  error: unknown;
  busy: boolean;
  again: () => void;
}) {
  if (error) {
    return (
      <div className="p-4">
        <ErrorNote
          title="This machine could not be looked at."
          error={error}
          fix={{ label: "Look again", busy, run: again }}
        />
      </div>
    );
  }
  if (part.state === "missing" && part.check === "image") return <BaseImage part={part} />;
  return (
    <Line
      part={part.state}
      title="A sandbox"
      actions={
        part.state === "missing" && (
          <Button busy={busy && "Looking"} onClick={again}>
            Look again
          </Button>
        )
      }
    >
      <PartWords part={part} looking="Looking for Podman and the base image" />
    </Line>
  );
}

/** The image that servers run in is not there: how it is made, and how far it is. */
function BaseImage({ part }: { part: Part }) {
  const client = useQueryClient();
  const { data: image, error } = useQuery(imageQuery);
  const { busy, error: refused, run } = useAction();
  const state = image?.state;
  useEffect(() => {
    if (state === "ready") void client.invalidateQueries({ queryKey: keys.doctor });
  }, [state, client]);
  const build = () =>
    run("Starting", async () => {
      client.setQueryData(keys.image, await api.post("/api/v1/image"));
    });
  const failure = error ?? refused;
  return (
    <Line
      part={state === "making" || state === "ready" ? "looking" : part.state}
      title="A sandbox"
      actions={
        image?.can_be_made &&
        (state === "missing" || state === "failed") && (
          <Button look="primary" busy={busy} onClick={build}>
            {state === "failed" ? "Try again" : "Make the base image"}
          </Button>
        )
      }
    >
      {failure ? (
        <ErrorNote error={failure} />
      ) : image?.state === "making" ? (
        <Making image={image} />
      ) : image?.state === "failed" ? (
        <>
          The base image could not be made. <Said text={sentence(image.reason ?? "")} />.{" "}
          {image.fix && (
            <>
              <Said text={sentence(image.fix)} />.
            </>
          )}
        </>
      ) : image?.can_be_made ? (
        "Servers run in an image that is made once, from packages of Debian, npm and PyPI. It takes a few minutes."
      ) : (
        <PartWords part={part} looking="Looking for the base image" />
      )}
    </Line>
  );
}

function Making({ image }: { image: BaseImageBody }) {
  const now = useNow(1000);
  return (
    <div className="max-w-[28rem]">
      <Progress
        label={image.step ? sentence(image.step) : "Making the base image"}
        note={image.began_at ? duration(Math.max(0, now - image.began_at)) : null}
        value={null}
      />
      <p className="mt-1.5 min-h-4 truncate font-mono text-xs text-faint">
        {image.line && <SeenText text={image.line} />}
      </p>
    </div>
  );
}

function Model({ part, hasModels }: { part: Part; hasModels: boolean }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const look = () =>
    run("Looking", async () => {
      await api.post("/api/v1/providers/discover");
      await client.invalidateQueries({ queryKey: keys.providers });
      await client.invalidateQueries({ queryKey: keys.models });
    });
  const toModels = { to: "/settings/$section", params: { section: "models" } } as const;
  return (
    <Line
      part={part.state}
      title="A model"
      actions={
        part.state === "missing" ? (
          <>
            {!hasModels && (
              <Button busy={busy} onClick={look}>
                Look for models
              </Button>
            )}
            <Button asChild look={hasModels ? "primary" : "default"}>
              <Link {...toModels}>{hasModels ? "Choose one" : "Set one up"}</Link>
            </Button>
          </>
        ) : (
          part.state === "ready" && (
            <Button asChild look="ghost">
              <Link {...toModels}>Change</Link>
            </Button>
          )
        )
      }
    >
      <PartWords part={part} looking="Looking for models on this machine" />
      {error !== null && <ErrorNote className="mt-2" error={error} />}
    </Line>
  );
}

function PartWords({ part, looking }: { part: Part; looking: string }) {
  if (part.state === "looking") return looking;
  if (part.state === "ready") {
    return (
      <>
        <Said text={sentence(part.words)} />.
        {part.note && (
          <span className="block text-xs text-warning">
            <Said text={sentence(part.note)} />.
          </span>
        )}
      </>
    );
  }
  return (
    <>
      <Said text={sentence(part.words)} />.{" "}
      {part.fix && !part.command && (
        <>
          <Said text={sentence(part.fix)} />.
        </>
      )}
      {part.command && (
        <span className="mt-1.5 block">
          <CodeLine text={part.command} label="Copy the command" />
        </span>
      )}
    </>
  );
}

function Servers({
  servers,
  ready,
  isNext,
}: {
  servers: readonly Server[] | undefined;
  ready: number;
  /** There is nothing to do before. */
  isNext: boolean;
}) {
  const isEmpty = servers?.length === 0;
  const tools = servers?.reduce((sum, it) => sum + it.tools, 0) ?? 0;
  return (
    <Line
      part={servers === undefined ? "looking" : ready > 0 ? "ready" : "missing"}
      title="A server"
      icon={Plug}
      accent={isEmpty && isNext}
      actions={
        <Button asChild look={!isEmpty ? "ghost" : isNext ? "primary" : "default"}>
          <Link to={isEmpty ? "/servers/add" : "/servers"}>
            {isEmpty ? "Add a server" : "Look at them"}
          </Link>
        </Button>
      }
    >
      {ready > 0
        ? `${count(ready, "server")} with ${count(tools, "tool")}.`
        : isEmpty
          ? "Add one, and the model can read your files, code or calendar."
          : "None has told its tools yet."}
    </Line>
  );
}

/** Three servers that need no key, and how far each is. */
function Try({ servers }: { servers: readonly Server[] }) {
  return (
    <section className="mt-7">
      <h2 className="mb-2 font-medium text-muted">Three to try, without any key</h2>
      <BelowHeading>
        <Card>
          {SUGGESTIONS.map((it) => (
            <TryRow
              key={it.package}
              suggestion={it}
              server={servers.find((server) => isOf(server, it.package))}
            />
          ))}
        </Card>
      </BelowHeading>
    </section>
  );
}

function TryRow({
  suggestion: it,
  server,
}: {
  suggestion: Suggestion;
  server: Server | undefined;
}) {
  return (
    <Row
      lead={<Tile name={it.title} />}
      title={it.title}
      note={server ? undefined : it.does}
      actions={
        server ? (
          <Button asChild small>
            <Link
              to="/servers/$server"
              params={{ server: server.slug }}
              aria-label={`Look at ${server.title}`}
            >
              {stateWords(server).word}
            </Link>
          </Button>
        ) : (
          <>
            <span className="flex items-center gap-1.5 text-xs text-sandbox">
              <Icon of={it.reach === "folder" ? Folder : GlobeOff} size="sm" />
              {it.reach === "folder" ? "One folder" : "No network"}
            </span>
            <Button asChild small>
              <Link
                to="/servers/add"
                search={{ package: it.package }}
                aria-label={`Add ${it.title}`}
              >
                Add
              </Link>
            </Button>
          </>
        )
      }
    >
      {server && <Installing server={server} />}
    </Row>
  );
}

function Installing({ server }: { server: Server }) {
  const installing = server.status.state === "installing";
  const { data } = useQuery({ ...serverQuery(server.slug), enabled: installing });
  const steps = data?.install?.steps ?? [];
  const done = steps.filter((it) => it.state === "done" || it.state === "skipped").length;
  if (!installing) {
    return (
      <p className="text-muted">
        {server.status.reason ? (
          <Said text={sentence(server.status.reason)} />
        ) : (
          "It is there, and tells its tools when it runs."
        )}
      </p>
    );
  }
  return (
    <div className="mt-1.5 max-w-80">
      <Bar
        label={`Installing ${server.title}`}
        percent={steps.length ? Math.round((done / steps.length) * 100) : null}
      />
    </div>
  );
}

/** Three things to ask, of servers that are there where there are some. */
function Questions({
  servers,
  suggest,
}: {
  servers: readonly Server[];
  suggest: (text: string) => void;
}) {
  const known = SUGGESTIONS.filter((it) => servers.some((server) => isOf(server, it.package)));
  const all = [
    ...known.map((it) => ({ title: it.question, note: `With ${it.title}`, text: it.question })),
    ...QUESTIONS,
  ].slice(0, 3);
  return (
    <section className="mt-7">
      <h2 className="mb-2 font-medium text-muted">
        {known.length ? "Something to ask" : "Works without a server"}
      </h2>
      <ul className="grid gap-x-5 gap-y-1 sm:grid-cols-3">
        {all.map((it) => (
          <li key={it.title} className="border-t border-border">
            <button
              type="button"
              className="-mx-2 w-[calc(100%+1rem)] rounded-control px-2 py-2.5 text-start hover:bg-hover"
              onClick={() => suggest(it.text)}
            >
              <span className="block font-medium">{it.title}</span>
              <span className="block text-xs text-faint">{it.note}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
