import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type ReactNode, useState } from "react";
import { Button, IconButton } from "@/components/button";
import { BelowHeading } from "@/components/heading";
import { ErrorNote } from "@/components/notice";
import { cx } from "@/lib/classes";
import { FocusBack, useFocusBack } from "@/lib/focus-back";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  /** A question, where its buttons are the answers. */
  title: ReactNode;
  note?: ReactNode;
  lead?: ReactNode;
  children?: ReactNode;
  footer?: ReactNode;
  wide?: boolean;
  /** Without it, the first control gets the focus. */
  onOpenAutoFocus?: (event: Event) => void;
}

/** For what cannot go on without an answer. A sheet from below on phones. */
export function Dialog({
  open,
  onOpenChange,
  title,
  note,
  lead,
  children,
  footer,
  wide = false,
  onOpenAutoFocus,
}: Props) {
  const { focus, before } = useFocusBack(onOpenAutoFocus);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-30 grid animate-appear place-items-center bg-scrim p-6 max-md:place-items-end max-md:p-0">
          <Radix.Content
            {...focus}
            {...(note ? {} : { "aria-describedby": undefined })}
            className={cx(
              "flex max-h-full w-full animate-sheet flex-col overflow-hidden rounded-dialog border border-border bg-raised shadow-dialog outline-none max-md:max-h-[92dvh] max-md:rounded-b-none",
              wide ? "max-w-[46rem]" : "max-w-[30rem]",
              "max-md:max-w-none",
            )}
          >
            <FocusBack before={before} />
            <header className="flex items-center gap-3.5 px-5 pt-[18px] pb-4">
              {lead}
              <div className="min-w-0 flex-1">
                <Radix.Title className="text-lg font-semibold tracking-[-0.011em] [overflow-wrap:anywhere]">
                  {title}
                </Radix.Title>
                {note && <Radix.Description className="text-muted">{note}</Radix.Description>}
              </div>
              <Radix.Close asChild>
                <IconButton icon={X} label="Close" tip={false} className="-me-2 self-start" />
              </Radix.Close>
            </header>
            {children && (
              <div className="thin-scroll min-h-0 overflow-y-auto border-y border-border">
                <BelowHeading from={3}>{children}</BelowHeading>
              </div>
            )}
            {footer && (
              <footer className="flex flex-wrap items-center justify-end gap-2 px-5 py-3">
                {footer}
              </footer>
            )}
          </Radix.Content>
        </Radix.Overlay>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** Asks before something is lost, and says what. */
export function Confirm({
  open,
  onOpenChange,
  title,
  lost,
  action,
  onConfirm,
  danger = true,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What is gone afterwards, and what stays. */
  lost: ReactNode;
  /** The verb of the button. */
  action: string;
  onConfirm: () => Promise<unknown>;
  danger?: boolean;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onOpenChange(false);
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={title}
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          <Button
            look={danger ? "danger-solid" : "primary"}
            busy={busy && action}
            onClick={confirm}
          >
            {action}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3 px-5 py-4 text-muted">
        <div>{lost}</div>
        {error !== null && <ErrorNote error={error} />}
      </div>
    </Dialog>
  );
}
