import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight, Folder, GlobeOff } from "lucide-react";
import { useState } from "react";
import { serverQuery, serversQuery } from "@/api/queries";
import { Button } from "@/components/button";
import { Card, Row } from "@/components/card";
import { Field, Input, SecretInput, Textarea } from "@/components/field";
import { BelowHeading } from "@/components/heading";
import { Icon } from "@/components/icon";
import { Loaded } from "@/components/loaded";
import { Notice } from "@/components/notice";
import { PageBody, PageTitle, Topbar, useTitle } from "@/components/page";
import { TabBar, tabClass } from "@/components/tabs";
import { Tile } from "@/components/tile";
import { QuotedLine } from "@/components/wall";
import { SUGGESTIONS } from "@/lib/suggested-servers";
import { type Draft, draftOf } from "./draft";
import { type Read, read } from "./paste";
import { Review } from "./review";
import { sourceName, sourceWords } from "./source-words";

const WAYS = [
  ["package", "Package or command"],
  ["address", "Address on the web"],
  ["paste", "Paste a configuration"],
] as const;

interface Props {
  way?: string | undefined;
  /** A package to begin with. */
  package?: string | undefined;
  /** The server to be changed and installed again. */
  from?: string | undefined;
}

/** Ways to add a server; each ends in a review, and nothing is downloaded before it. */
export function AddServerPage({ way = "package", package: given, from }: Props) {
  useTitle(from ? "Change a server" : "Add a server");
  return (
    <>
      <Topbar>
        <nav aria-label="Where this is" className="flex min-w-0 items-center gap-2">
          <Link to="/servers" className="flex-none text-muted no-underline hover:text-text">
            MCP servers
          </Link>
          <Icon of={ChevronRight} size="sm" className="text-faint" />
          <span className="truncate font-semibold">{from ? "Change" : "Add a server"}</span>
        </nav>
      </Topbar>
      <PageBody>
        <PageTitle>{from ? "Change a server" : "Add a server"}</PageTitle>
        <p className="mt-0.5 mb-4 text-muted">
          Each one gets a sandbox of its own. You see what it asks for before anything is
          downloaded.
        </p>
        {from ? (
          <Again key={from} slug={from} />
        ) : (
          <>
            <TabBar label="Ways to add a server">
              {WAYS.map(([key, label]) => (
                <Link
                  key={key}
                  to="/servers/add"
                  search={{ way: key }}
                  replace
                  className={tabClass}
                  {...(key === way
                    ? { "aria-current": "page" as const }
                    : { "aria-current": undefined })}
                  activeProps={{}}
                  activeOptions={{ exact: true, includeSearch: true }}
                >
                  {label}
                </Link>
              ))}
            </TabBar>
            <div className="mt-5">
              {way === "address" ? (
                <ByAddress />
              ) : way === "paste" ? (
                <ByConfiguration />
              ) : (
                <ByPackage key={given} given={given} />
              )}
            </div>
          </>
        )}
      </PageBody>
    </>
  );
}

function Again({ slug }: { slug: string }) {
  const query = useQuery(serverQuery(slug));
  const [open, setOpen] = useState(true);
  return (
    <Loaded query={query} what="The server">
      {(server) => (
        <>
          <Notice title="What a server runs and reaches cannot be changed while it is installed.">
            It is removed and installed again with what you change. Its log, what you said about its
            tools and its permissions begin anew, and its secrets have to be given again.
          </Notice>
          <Button look="primary" className="mt-4" onClick={() => setOpen(true)}>
            Change {server.title}
          </Button>
          {open && (
            <Review draft={draftOf(server)} replaces={server.slug} onClose={() => setOpen(false)} />
          )}
        </>
      )}
    </Loaded>
  );
}

function ByPackage({ given }: { given: string | undefined }) {
  const [text, setText] = useState(given ?? "");
  const [result, setResult] = useState<Read | null>(() => (given ? read(given) : null));
  const [written] = result?.drafts ?? [];
  const draft = written && withItsFolder(written);
  const refused = result?.refused[0];
  return (
    <>
      <form
        className="flex flex-wrap items-start gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          setResult(read(text));
        }}
      >
        <Field
          label="Package or command"
          hint="A name on npm or PyPI, or the line of a README that begins with npx or uvx"
          error={refused?.reason ?? (result && !draft && "A name or a command is needed")}
          className="min-w-60 flex-1"
        >
          {(names) => (
            <Input
              {...names}
              mono
              autoFocus
              placeholder="npx -y @scope/server"
              value={text}
              onChange={(event) => {
                setText(event.target.value);
                setResult(null);
              }}
            />
          )}
        </Field>
        <Button type="submit" look="primary" className="mt-[25px]">
          Review
        </Button>
      </form>
      <h2 className="mt-8 mb-2.5 text-lg font-semibold tracking-[-0.011em]">To begin with</h2>
      <BelowHeading>
        <Suggestions
          onChoose={(name) => {
            setText(name);
            setResult(read(name));
          }}
        />
      </BelowHeading>
      {draft && <Review key={text} draft={draft} onClose={() => setResult(null)} />}
    </>
  );
}

const INSIDE = "/shared";

/** A suggested server that works on a folder asks for one: without it, it ends at once. */
function withItsFolder(draft: Draft): Draft {
  const { source } = draft;
  if (source.kind !== "package" || draft.args.length || draft.folders.length) return draft;
  const name = `${source.registry}:${source.name}`;
  const wants = SUGGESTIONS.some((it) => it.package === name && it.reach === "folder");
  if (!wants) return draft;
  return {
    ...draft,
    args: [INSIDE],
    folders: [{ host: "", inside: INSIDE, write: false, on: true }],
  };
}

function Suggestions({ onChoose }: { onChoose: (name: string) => void }) {
  const { data: servers } = useQuery(serversQuery);
  const has = (name: string) =>
    servers?.some((it) => it.source.kind === "package" && name.endsWith(`:${it.source.name}`));
  return (
    <Card>
      {SUGGESTIONS.map((it) => (
        <Row
          key={it.package}
          lead={<Tile name={it.title} />}
          title={it.title}
          note={it.does}
          actions={
            <>
              <span className="flex items-center gap-1.5 text-xs text-sandbox">
                <Icon of={it.reach === "folder" ? Folder : GlobeOff} size="sm" />
                {it.reach === "folder" ? "No network, one folder" : "No network, no key"}
              </span>
              {has(it.package) ? (
                <span className="px-2 text-muted">Added</span>
              ) : (
                <Button
                  small
                  aria-label={`Review ${it.title}`}
                  onClick={() => onChoose(it.package)}
                >
                  Review
                </Button>
              )}
            </>
          }
        />
      ))}
    </Card>
  );
}

function ByAddress() {
  const [url, setUrl] = useState("");
  const [header, setHeader] = useState("");
  const [value, setValue] = useState("");
  const [result, setResult] = useState<Read | null>(null);
  const [draft] = result?.drafts ?? [];
  const forget = () => setResult(null);
  return (
    <form
      className="grid max-w-[46rem] gap-4 md:grid-cols-2"
      onSubmit={(event) => {
        event.preventDefault();
        const trimmed = url.trim();
        setResult(
          /^https?:\/\//i.test(trimmed)
            ? read(trimmed)
            : { drafts: [], refused: [{ name: "", reason: "An address begins with https://" }] },
        );
      }}
    >
      <Notice className="md:col-span-2" title="Such a server runs on somebody else’s machine.">
        Archestra cannot contain it: it sees all that its tools are called with. The rules, the
        approvals and the audit hold for it like for any other.
      </Notice>
      <Field
        label="Address"
        required
        hint="Of a server that speaks MCP over streamable HTTP"
        error={result?.refused[0]?.reason}
        className="md:col-span-2"
      >
        {(names) => (
          <Input
            {...names}
            mono
            inputMode="url"
            placeholder="https://example.com/mcp"
            value={url}
            onChange={(event) => {
              setUrl(event.target.value);
              forget();
            }}
          />
        )}
      </Field>
      <Field label="Header with your key" hint="Where it wants one">
        {(names) => (
          <Input
            {...names}
            mono
            placeholder="Authorization"
            value={header}
            onChange={(event) => {
              setHeader(event.target.value);
              forget();
            }}
          />
        )}
      </Field>
      <Field label="Its value" hint="Sealed on this machine, sent to this address only">
        {(names) => (
          <SecretInput
            {...names}
            placeholder="Bearer …"
            value={value}
            onChange={(event) => {
              setValue(event.target.value);
              forget();
            }}
          />
        )}
      </Field>
      <Button type="submit" look="primary" className="justify-self-start">
        Review
      </Button>
      {draft && <Review draft={withHeader(draft, header.trim(), value)} onClose={forget} />}
    </form>
  );
}

function withHeader(draft: Draft, name: string, value: string): Draft {
  if (!value) return draft;
  return { ...draft, headers: [{ name: name || "Authorization", value, secret: true }] };
}

const EXAMPLE = `{
  "mcpServers": {
    "time": { "command": "uvx", "args": ["mcp-server-time"] }
  }
}`;

function ByConfiguration() {
  const [text, setText] = useState("");
  const [open, setOpen] = useState<number | null>(null);
  const { data: servers } = useQuery(serversQuery);
  const { drafts, refused } = read(text);
  const draft = open === null ? undefined : drafts[open];
  return (
    <>
      <Field
        label="Configuration"
        hint="Of Claude Desktop, Cursor, VS Code, Zed or another program, as it is. Nothing in it is run"
      >
        {(names) => (
          <Textarea
            {...names}
            mono
            rows={10}
            placeholder={EXAMPLE}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      {(drafts.length > 0 || refused.length > 0) && (
        <Card className="mt-4" aria-live="polite">
          {drafts.map((it, i) => (
            <Row
              key={i}
              lead={<Tile name={it.title || it.slug} />}
              title={it.title || it.slug}
              note={
                <>
                  {sourceWords(it.source)} <code>{sourceName(it.source)}</code>
                </>
              }
              actions={
                servers?.some((known) => known.slug === it.slug) ? (
                  <span className="px-2 text-muted">Added</span>
                ) : (
                  <Button aria-label={`Review ${it.title || it.slug}`} onClick={() => setOpen(i)}>
                    Review
                  </Button>
                )
              }
            />
          ))}
          {refused.map((it) => (
            <Row
              key={it.name}
              lead={<Tile name={it.name} />}
              title={<QuotedLine text={it.name} max={80} />}
              note={
                <span className="text-danger">
                  <QuotedLine text={it.reason} />
                </span>
              }
            />
          ))}
        </Card>
      )}
      {draft && <Review draft={draft} stays={drafts.length > 1} onClose={() => setOpen(null)} />}
    </>
  );
}
