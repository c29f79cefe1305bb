import { Dialog } from "@/components/dialog";
import { Kbd } from "@/components/kbd";
import { FIELD_KEYS, printed, SHORTCUTS } from "@/lib/keys";

/** What keys do, as they really do it. */
export function ShortcutList({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const all = Object.values(SHORTCUTS);
  const groups = [...new Set(all.map((it) => it.group))];
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard" wide>
      <div className="grid gap-x-8 gap-y-5 px-5 py-4 md:grid-cols-2">
        {groups.map((group) => (
          <section key={group}>
            <h3 className="mb-1 font-semibold">{group}</h3>
            <Keys rows={all.filter((it) => it.group === group).map((it) => [it.words, it.keys])} />
          </section>
        ))}
        <section>
          <h3 className="mb-1 font-semibold">In the message field</h3>
          <Keys rows={FIELD_KEYS} />
        </section>
      </div>
    </Dialog>
  );
}

function Keys({ rows }: { rows: ReadonlyArray<readonly [string, string]> }) {
  return (
    <dl className="divide-y divide-border">
      {rows.map(([words, keys]) => (
        <div key={words} className="flex min-h-8 items-center gap-3">
          <dt className="flex-1 text-muted">{words}</dt>
          <dd>
            <Kbd>{printed(keys)}</Kbd>
          </dd>
        </div>
      ))}
    </dl>
  );
}
