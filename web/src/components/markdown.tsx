import { ImageOff } from "lucide-react";
import type {
  AlignType,
  Code,
  List,
  ListItem,
  PhrasingContent,
  RootContent,
  Table as TableNode,
} from "mdast";
import { memo, type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { CodeWell } from "@/components/code";
import { Icon } from "@/components/icon";
import { OutboundLink } from "@/components/outbound";
import { SeenText } from "@/components/wall";
import { canHighlight, highlight, highlighted, type Token } from "@/lib/highlight";
import { openable } from "@/lib/hostile";
import { EMPTY, parse } from "@/lib/markdown/blocks";

/** What a model wrote. HTML in it is text, pictures of others are not loaded, links ask before they open. */
export function Markdown({ text, streaming = false }: { text: string; streaming?: boolean }) {
  const before = useRef(EMPTY);
  const document = useMemo(() => {
    // A cache and nothing else: whatever stands in it, the result is the same.
    before.current = parse(before.current, text, !streaming);
    return before.current;
  }, [text, streaming]);
  const definitions = useMemo(
    () =>
      new Map(
        document.blocks.flatMap(({ node }) =>
          node.type === "definition" ? [[node.identifier, node.url] as const] : [],
        ),
      ),
    [document],
  );
  return (
    <div className="prose" dir="auto">
      {document.blocks.map((block, i) => (
        <Block
          key={block.key}
          node={block.node}
          open={block.open}
          definitions={definitions.size ? definitions : NONE}
          caret={streaming && i === document.blocks.length - 1}
        />
      ))}
    </div>
  );
}

type Definitions = ReadonlyMap<string, string>;
const NONE: Definitions = new Map();

interface BlockProps {
  node: RootContent;
  open: boolean;
  definitions: Definitions;
  caret?: boolean;
}

/** A block is drawn again only when it is another one. */
const Block = memo(function Block({
  node,
  open,
  definitions,
  caret = false,
}: BlockProps): ReactNode {
  const end = caret ? <span className="caret" aria-hidden="true" /> : null;
  const inside = (nodes: readonly RootContent[]) =>
    nodes.map((it, i) => (
      <Block
        key={i}
        node={it}
        open={open}
        definitions={definitions}
        caret={caret && i === nodes.length - 1}
      />
    ));
  switch (node.type) {
    case "paragraph":
      return (
        <p dir="auto">
          <Phrases nodes={node.children} definitions={definitions} />
          {end}
        </p>
      );
    case "heading": {
      // The page has one title, and it is not the model's.
      const Title = `h${Math.min(6, node.depth + 1)}` as "h2";
      return (
        <Title dir="auto" className={node.depth === 1 ? "!text-[1.25rem] !leading-7" : ""}>
          <Phrases nodes={node.children} definitions={definitions} />
          {end}
        </Title>
      );
    }
    case "code":
      return <CodeBlock node={node} open={open} />;
    case "list":
      return <ListBlock node={node} inside={inside} />;
    case "blockquote":
      return <blockquote>{inside(node.children)}</blockquote>;
    case "table":
      return <TableBlock node={node} definitions={definitions} />;
    case "thematicBreak":
      return <hr />;
    case "html":
      return (
        <p className="whitespace-pre-wrap">
          <SeenText text={node.value} />
          {end}
        </p>
      );
    case "definition":
      return null;
    case "footnoteDefinition":
      return <div className="text-sm text-muted">{inside(node.children)}</div>;
    default:
      return <Phrases nodes={[node as PhrasingContent]} definitions={definitions} />;
  }
});

function ListBlock({
  node,
  inside,
}: {
  node: List;
  inside: (nodes: readonly RootContent[]) => ReactNode;
}) {
  const items = node.children.map((item, i) => (
    <Item key={i} item={item} tight={!item.spread} inside={inside} />
  ));
  return node.ordered ? <ol start={node.start ?? 1}>{items}</ol> : <ul>{items}</ul>;
}

function Item({
  item,
  inside,
}: {
  item: ListItem;
  tight: boolean;
  inside: (nodes: readonly RootContent[]) => ReactNode;
}) {
  if (typeof item.checked !== "boolean") return <li dir="auto">{inside(item.children)}</li>;
  return (
    <li className="task" dir="auto">
      <input
        type="checkbox"
        checked={item.checked}
        readOnly
        tabIndex={-1}
        aria-label={item.checked ? "Done" : "Not done"}
        className="mt-1.5 size-3.5 flex-none accent-accent"
      />
      <div className="min-w-0">{inside(item.children)}</div>
    </li>
  );
}

const ALIGN: Record<NonNullable<AlignType>, string> = {
  left: "text-start",
  center: "text-center",
  right: "text-end",
};

function TableBlock({ node, definitions }: { node: TableNode; definitions: Definitions }) {
  const [head, ...rows] = node.children;
  const align = (i: number) => ALIGN[node.align?.[i] ?? "left"];
  return (
    <div className="overflow-hidden rounded-card border border-border text-sm">
      {/* It scrolls, so keys have to reach it. */}
      <div
        className="thin-scroll overflow-x-auto -outline-offset-2"
        tabIndex={0}
        role="group"
        aria-label="Table"
      >
        <table className="w-full border-collapse">
          <thead>
            <tr>
              {head?.children.map((cell, i) => (
                <th
                  key={i}
                  scope="col"
                  className={`border-b border-border px-4 py-2 text-xs font-medium text-faint ${align(i)}`}
                >
                  <Phrases nodes={cell.children} definitions={definitions} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, r) => (
              <tr key={r} className="border-border [&+&]:border-t">
                {row.children.map((cell, i) => (
                  <td
                    key={i}
                    dir="auto"
                    className={`px-4 py-[9px] align-top [overflow-wrap:normal] ${align(i)}`}
                  >
                    <Phrases nodes={cell.children} definitions={definitions} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function CodeBlock({ node, open }: { node: Code; open: boolean }) {
  const { lang = null, value } = node;
  const language = lang ?? null;
  // Models write the file's name behind the language in several ways.
  const file = node.meta?.replace(/^(title|file(name)?)=/, "").replace(/^["']|["']$/g, "");
  return (
    <CodeWell title={<SeenText text={file || language || "Text"} />} text={value}>
      <Coloured language={language} code={value} wait={open} />
    </CodeWell>
  );
}

/** Code in colours, once it is whole and the highlighter is there. */
export function Coloured({
  language,
  code,
  wait = false,
}: {
  language: string | null;
  code: string;
  wait?: boolean;
}) {
  const [lines, setLines] = useState<Token[][] | null>(() =>
    language && !wait ? highlighted(language, code) : null,
  );
  useEffect(() => {
    if (wait || !language || !canHighlight(language, code)) {
      setLines(null);
      return;
    }
    let isCurrent = true;
    void highlight(language, code).then((it) => isCurrent && setLines(it));
    return () => {
      isCurrent = false;
    };
  }, [language, code, wait]);
  if (!lines) return <SeenText text={code} />;
  return lines.map((line, i) => (
    <span key={i}>
      {i > 0 && "\n"}
      {line.map((it, j) => (
        <span key={j} style={it.color ? { color: it.color } : undefined}>
          <SeenText text={it.text} />
        </span>
      ))}
    </span>
  ));
}

function Phrases({
  nodes,
  definitions,
}: {
  nodes: readonly PhrasingContent[];
  definitions: Definitions;
}) {
  return nodes.map((it, i) => <Phrase key={i} node={it} definitions={definitions} />);
}

function Phrase({
  node,
  definitions,
}: {
  node: PhrasingContent;
  definitions: Definitions;
}): ReactNode {
  switch (node.type) {
    case "text":
    case "html":
      return <SeenText text={node.value} />;
    case "emphasis":
      return (
        <em>
          <Phrases nodes={node.children} definitions={definitions} />
        </em>
      );
    case "strong":
      return (
        <strong>
          <Phrases nodes={node.children} definitions={definitions} />
        </strong>
      );
    case "delete":
      return (
        <del>
          <Phrases nodes={node.children} definitions={definitions} />
        </del>
      );
    case "inlineCode":
      return (
        <code>
          <SeenText text={node.value} />
        </code>
      );
    case "break":
      return <br />;
    case "link":
      return <LinkTo href={node.url} nodes={node.children} definitions={definitions} />;
    case "linkReference":
      return (
        <LinkTo
          href={definitions.get(node.identifier) ?? ""}
          nodes={node.children}
          definitions={definitions}
        />
      );
    case "image":
      return <RemoteImage href={node.url} alt={node.alt ?? ""} />;
    case "imageReference":
      return <RemoteImage href={definitions.get(node.identifier) ?? ""} alt={node.alt ?? ""} />;
    case "footnoteReference":
      return <sup>{node.identifier}</sup>;
    default:
      return null;
  }
}

function LinkTo({
  href,
  nodes,
  definitions,
}: {
  href: string;
  nodes: readonly PhrasingContent[];
  definitions: Definitions;
}) {
  const words = nodes.map((it) => ("value" in it ? it.value : "")).join("");
  return (
    <OutboundLink href={href} words={words}>
      <Phrases nodes={nodes} definitions={definitions} />
    </OutboundLink>
  );
}

/** In place of a picture that would have to be loaded from somewhere: where, and a way to go there. */
export function RemoteImage({ href, alt }: { href: string; alt: string }) {
  const url = openable(href);
  return (
    <span className="inline-flex max-w-full items-center gap-2 rounded-control bg-press px-2.5 py-1.5 text-sm text-muted">
      <Icon of={ImageOff} className="text-faint" />
      <span className="min-w-0 [overflow-wrap:anywhere]">
        {alt ? <SeenText text={alt} /> : "A picture"}
        {url ? (
          <>
            , not loaded from <span className="font-mono text-code">{url.host}</span>.{" "}
            <OutboundLink href={href}>Open it there</OutboundLink>
          </>
        ) : (
          ", which has no address that may be loaded"
        )}
      </span>
    </span>
  );
}
