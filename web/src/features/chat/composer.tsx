import { ArrowUp, FileText, Paperclip, Square, X } from "lucide-react";
import {
  memo,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { AttachmentBody } from "@/api/types";
import { IconButton } from "@/components/button";
import { Icon } from "@/components/icon";
import { explain } from "@/components/notice";
import { Tip } from "@/components/tooltip";
import { cx } from "@/lib/classes";
import { keysOf, useShortcut } from "@/lib/keys";
import { toast } from "@/lib/toasts";
import { bytes } from "@/lib/words";
import {
  ATTACHMENTS_MAX,
  type Attachment,
  PASTE_MAX,
  readAttachment,
  textFile,
} from "./attachments";
import { draft, keepDraft } from "./drafts";

export interface Command {
  name: string;
  words: string;
  run: () => void;
}

interface Props {
  /** Under which what was typed is kept. */
  draftKey: string;
  /** An answer is being written: sending queues, and there is something to stop. */
  running: boolean;
  onSend: (text: string, attachments: AttachmentBody[]) => Promise<void>;
  onStop?: () => Promise<void>;
  /** Why nothing can be sent. */
  blocked?: string | null;
  commands: readonly Command[];
  /** The newest message of the person, which the arrow up brings back. */
  lastMessage?: string;
  above?: ReactNode;
  left: ReactNode;
  right: ReactNode;
  autoFocus?: boolean;
  /** A text to begin with, for instance a question to try. */
  suggestion?: { text: string; id: number } | null;
}

const HEIGHT_MAX_PX = 260;

/** The browser makes a field as high as its text; where it does not, that is measured at each key. */
const fitsItself = () => globalThis.CSS?.supports?.("field-sizing", "content") ?? false;

/** Where messages are written. It has its state for itself, so that typing draws nothing else. */
export function Composer(props: Props) {
  const {
    draftKey,
    running,
    onSend,
    onStop,
    blocked,
    commands,
    above,
    left,
    right,
    autoFocus,
    suggestion,
  } = props;
  const [text, setText] = useState(() => draft(draftKey));
  const [files, setFiles] = useState<Attachment[]>([]);
  const [busy, setBusy] = useState(false);
  const [stopping, setStopping] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const key = useRef(draftKey);

  useEffect(() => {
    if (key.current === draftKey) return;
    key.current = draftKey;
    setText(draft(draftKey));
    setFiles([]);
  }, [draftKey]);
  useEffect(() => {
    if (autoFocus && window.matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [autoFocus]);
  useEffect(() => {
    if (!suggestion) return;
    setText(suggestion.text);
    field.current?.focus();
  }, [suggestion]);
  useEffect(() => {
    if (!running) setStopping(false);
  }, [running]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another text has another height
  useLayoutEffect(() => {
    const it = field.current;
    if (!it || fitsItself()) return;
    it.style.height = "auto";
    it.style.height = `${Math.min(HEIGHT_MAX_PX, it.scrollHeight)}px`;
  }, [text]);

  const write = (next: string) => {
    setText(next);
    keepDraft(draftKey, next);
  };
  const add = useCallback(async (all: readonly File[]) => {
    for (const file of all.slice(0, ATTACHMENTS_MAX)) {
      try {
        const read = await readAttachment(file);
        setFiles((files) => [...files, read].slice(-ATTACHMENTS_MAX));
      } catch (error) {
        toast.failed(explain(error).message);
      }
    }
  }, []);
  const found = matchingCommands(text, commands);
  const canSend = !busy && !blocked && (text.trim() !== "" || files.length > 0);

  const send = async () => {
    const only = found[0];
    if (only) {
      write("");
      only.run();
      return;
    }
    if (!canSend) return;
    const [sent, with_] = [text, files];
    setBusy(true);
    write("");
    setFiles([]);
    try {
      await onSend(
        sent.trim(),
        with_.map((it) => it.body),
      );
    } catch (error) {
      // Nothing typed is lost; what was typed meanwhile stands below.
      write([sent, field.current?.value].filter(Boolean).join("\n"));
      setFiles(with_);
      toast.failed(explain(error).message);
    } finally {
      setBusy(false);
      field.current?.focus();
    }
  };
  const stop = useCallback(async () => {
    setStopping(true);
    try {
      await onStop?.();
    } catch (error) {
      setStopping(false);
      toast.failed(explain(error).message);
    }
  }, [onStop]);
  useShortcut("composer", () => field.current?.focus());
  useShortcut("stop", running && onStop ? () => void stop() : null);

  return (
    <div className="@container mx-auto w-full max-w-[calc(var(--thread)+3rem)] flex-none px-6 pb-3 max-md:px-4 max-md:pb-2">
      {above}
      <form
        className="relative rounded-dialog border border-[color-mix(in_oklab,var(--border-strong)_40%,var(--border))] bg-raised shadow-popover focus-within:border-accent"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          void add([...event.dataTransfer.files]);
        }}
      >
        {found.length > 0 && (
          <Commands
            commands={found}
            onRun={(it) => {
              write("");
              it.run();
            }}
          />
        )}
        {files.length > 0 && (
          <Files files={files} onRemove={(id) => setFiles(files.filter((it) => it.id !== id))} />
        )}
        <textarea
          ref={field}
          aria-label="Message"
          placeholder={running ? "Write what comes next" : "Write a message, or / for commands"}
          rows={1}
          dir="auto"
          enterKeyHint="send"
          className="thin-scroll field-sizing-content block max-h-[260px] min-h-11 w-full resize-none bg-transparent px-3.5 pt-3 text-md outline-none max-md:text-base"
          value={text}
          onChange={(event) => write(event.target.value)}
          onPaste={(event) => {
            const pasted = event.clipboardData.getData("text");
            const images = [...event.clipboardData.files];
            if (!images.length && pasted.length <= PASTE_MAX) return;
            event.preventDefault();
            void add(images.length ? images : [textFile(pasted)]);
          }}
          onKeyDown={(event) => {
            if (event.nativeEvent.isComposing) return;
            if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
              event.preventDefault();
              void send();
            }
            if (event.key === "ArrowUp" && text === "" && props.lastMessage) {
              event.preventDefault();
              write(props.lastMessage);
            }
          }}
        />
        <Controls
          running={running}
          canSend={canSend}
          busy={busy}
          stopping={stopping}
          blocked={blocked ?? null}
          left={left}
          right={right}
          onFiles={add}
          onStop={onStop ? stop : null}
        />
      </form>
      <p className="mt-2 text-center text-xs text-faint max-md:hidden">
        Models make mistakes. What servers return is shown behind a blue wall: read it as their
        words, not ours.
      </p>
    </div>
  );
}

/** What stands below the text. A letter more changes nothing of it. */
const Controls = memo(function Controls({
  running,
  canSend,
  busy,
  stopping,
  blocked,
  left,
  right,
  onFiles,
  onStop,
}: {
  running: boolean;
  canSend: boolean;
  busy: boolean;
  stopping: boolean;
  blocked: string | null;
  left: ReactNode;
  right: ReactNode;
  onFiles: (files: readonly File[]) => Promise<void>;
  onStop: (() => Promise<void>) | null;
}) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <div className="flex items-center gap-0.5 px-2 pt-1.5 pb-2 @max-[34rem]:gap-0">
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => {
          void onFiles([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      <IconButton icon={Paperclip} label="Attach files" onClick={() => picker.current?.click()} />
      {left}
      <span className="flex-1" />
      {right}
      {running && onStop && (
        <Tip text={stopping ? "It is being stopped" : "Stop"} keys={keysOf("stop")} side="top">
          <button
            type="button"
            aria-label={stopping ? "It is being stopped" : "Stop"}
            disabled={stopping}
            className="ms-1 grid size-8 flex-none place-items-center rounded-[9px] bg-text text-surface disabled:opacity-50 max-md:size-10"
            onClick={() => void onStop()}
          >
            {stopping ? (
              <span className="dot dot-busy" />
            ) : (
              <Icon of={Square} size="sm" className="fill-current" />
            )}
          </button>
        </Tip>
      )}
      {(!running || canSend) && (
        <Tip
          text={blocked ?? (running ? "Send when this answer ends" : "Send")}
          keys="Enter"
          side="top"
        >
          <button
            type="submit"
            aria-label={running ? "Send when this answer ends" : "Send"}
            aria-disabled={!canSend}
            className={cx(
              "ms-1 grid size-8 flex-none place-items-center rounded-[9px] max-md:size-10",
              canSend ? "bg-accent text-on-accent hover:bg-accent-hover" : "bg-press text-faint",
            )}
          >
            {busy ? <span className="dot dot-busy" /> : <Icon of={ArrowUp} />}
          </button>
        </Tip>
      )}
    </div>
  );
});

function matchingCommands(text: string, commands: readonly Command[]): Command[] {
  const typed = /^\/(\w*)$/.exec(text)?.[1];
  return typed === undefined
    ? []
    : commands.filter((it) => it.name.startsWith(typed.toLowerCase()));
}

function Commands({
  commands,
  onRun,
}: {
  commands: readonly Command[];
  onRun: (command: Command) => void;
}) {
  return (
    <div className="absolute inset-x-0 bottom-full mb-2 animate-rise overflow-hidden rounded-card border border-border bg-raised p-1 shadow-popover">
      {commands.map((it, i) => (
        <button
          key={it.name}
          type="button"
          className={cx(
            "flex h-8 w-full items-center gap-3 rounded-[6px] px-2 text-start hover:bg-hover max-md:h-10",
            i === 0 && "bg-press",
          )}
          onClick={() => onRun(it)}
        >
          <code className="w-20">/{it.name}</code>
          <span className="text-muted">{it.words}</span>
        </button>
      ))}
    </div>
  );
}

function Files({
  files,
  onRemove,
}: {
  files: readonly Attachment[];
  onRemove: (id: number) => void;
}) {
  return (
    <ul aria-label="Files to be sent" className="flex flex-wrap gap-1.5 px-3 pt-2.5">
      {files.map((it) => (
        <li
          key={it.id}
          className="inline-flex h-7 max-w-full items-center gap-1.5 rounded-sm bg-press ps-2 text-xs font-medium"
        >
          <Icon of={FileText} size="sm" className="text-muted" />
          <span className="max-w-48 truncate">{it.name}</span>
          <span className="num text-faint">{bytes(it.size)}</span>
          <IconButton
            icon={X}
            size="sm"
            tip={false}
            label={`Leave out ${it.name}`}
            className="size-6"
            onClick={() => onRemove(it.id)}
          />
        </li>
      ))}
    </ul>
  );
}
