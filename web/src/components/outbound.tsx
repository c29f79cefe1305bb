import { ExternalLink as ExternalIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/code";
import { Dialog } from "@/components/dialog";
import { Icon } from "@/components/icon";
import { Notice } from "@/components/notice";
import { openable } from "@/lib/hostile";
import { askToOpen, closeOutbound, useOutbound } from "@/lib/outbound";

/** A link of others: it opens after a question that shows where it leads. */
export function OutboundLink({
  href,
  words,
  children,
}: {
  href: string;
  words?: string;
  children: ReactNode;
}) {
  if (!openable(href)) return <span title="A link that cannot be opened">{children}</span>;
  return (
    <button
      type="button"
      className="link inline text-start [overflow-wrap:anywhere]"
      onClick={() => askToOpen(href, words)}
    >
      {children}
    </button>
  );
}

/** The question, once for the whole page. */
export function OutboundQuestion() {
  const outbound = useOutbound();
  const url = outbound?.url;
  const isMail = url?.protocol === "mailto:";
  const where = isMail ? url?.pathname : url?.host;
  return (
    <Dialog
      open={outbound !== null}
      onOpenChange={(open) => !open && closeOutbound()}
      title={isMail ? `Write to ${where}?` : `Open ${where}?`}
      footer={
        <>
          <span className="me-auto">
            <CopyButton text={url?.href ?? ""} label="Copy the address" />
          </span>
          <Button onClick={closeOutbound}>Stay here</Button>
          <Button
            look="primary"
            onClick={() => {
              closeOutbound();
              if (url) window.open(url, "_blank", "noopener,noreferrer");
            }}
          >
            <Icon of={ExternalIcon} /> {isMail ? "Write a mail" : "Open in a new tab"}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3 px-5 py-4">
        <p className="text-muted">
          A model or a server wrote this link. What stands in the address goes to that host when you
          open it.
        </p>
        <p className="max-h-48 overflow-y-auto rounded-control bg-sunken px-3 py-2 font-mono text-code [overflow-wrap:anywhere]">
          {url?.href}
        </p>
        {outbound?.said && (
          <Notice tone="warning" title="The words of the link name another host.">
            They say {outbound.said}, and it leads to {where}.
          </Notice>
        )}
        {url?.username && (
          <Notice tone="warning" title="The address has a name before the host.">
            What stands before “@” is no host. It leads to {where}.
          </Notice>
        )}
      </div>
    </Dialog>
  );
}
