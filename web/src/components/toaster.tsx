import { Check, Info, TriangleAlert, X } from "lucide-react";
import { useEffect, useState } from "react";
import { Button, IconButton } from "@/components/button";
import { Icon } from "@/components/icon";
import { type Toast, toast, useToasts } from "@/lib/toasts";

const SHOWN_MS = 6000;

/** The toasts, one below the other; their time stands still under the pointer and the focus. */
export function Toaster() {
  const toasts = useToasts();
  const [held, setHeld] = useState(false);
  return (
    <section
      aria-label="Notifications"
      aria-live="polite"
      aria-relevant="additions"
      className="pointer-events-none fixed end-4 bottom-4 z-50 flex w-[24rem] max-w-[calc(100vw-2rem)] flex-col gap-2"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      {toasts.map((it) => (
        <ToastRow key={it.id} toast={it} held={held} />
      ))}
    </section>
  );
}

const LOOKS = {
  success: [Check, "text-success"],
  danger: [TriangleAlert, "text-danger"],
  plain: [Info, "text-muted"],
} as const;

function ToastRow({ toast: it, held }: { toast: Toast; held: boolean }) {
  const { id, sticky, action } = it;
  useEffect(() => {
    if (sticky || held) return;
    const timer = setTimeout(() => toast.close(id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id, sticky, held]);
  const [icon, ink] = LOOKS[it.tone];
  return (
    <div className="pointer-events-auto flex animate-rise items-center gap-2.5 rounded-card border border-border bg-raised py-2 ps-3 pe-2 shadow-popover">
      <Icon of={icon} className={ink} />
      <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">{it.text}</span>
      {action && (
        <Button
          small
          look="ghost"
          onClick={() => {
            toast.close(id);
            action.run();
          }}
        >
          {action.label}
        </Button>
      )}
      <IconButton icon={X} label="Close" size="sm" tip={false} onClick={() => toast.close(id)} />
    </div>
  );
}
