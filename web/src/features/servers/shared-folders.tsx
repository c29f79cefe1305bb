import { Folder, Plus } from "lucide-react";
import { useState } from "react";
import type { ServerDetails } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card, Row, Section } from "@/components/card";
import { Empty } from "@/components/empty";
import { Field, Input } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { Segmented } from "@/components/segmented";
import { Tile } from "@/components/tile";
import { isAbsolute } from "./draft";
import { type Editing, useEditServer } from "./use-edit-server";

/** The folders of this machine that a server may use. */
export function SharedFolders({ server }: { server: ServerDetails }) {
  const editing = useEditServer(server.slug);
  const [adding, setAdding] = useState(false);
  return (
    <Section
      title="Folders"
      action={
        <Button
          icon={Plus}
          aria-expanded={adding}
          onClick={() => {
            editing.forget();
            setAdding(!adding);
          }}
        >
          Share a folder
        </Button>
      }
    >
      {adding && <FolderForm server={server} editing={editing} onClose={() => setAdding(false)} />}
      {editing.error !== null && !adding && <ErrorNote className="mb-3" error={editing.error} />}
      <Card>
        {server.folders.map((it) => (
          <Row
            key={it.inside}
            lead={<Tile icon={Folder} />}
            title={<code>{it.host}</code>}
            note={
              it.inside === it.host ? (
                "It finds it at the same place."
              ) : (
                <>
                  It finds it at <code>{it.inside}</code>.
                </>
              )
            }
            actions={
              <>
                <Badge tone={it.access === "read_write" ? "warning" : "plain"}>
                  {it.access === "read_write" ? "Reads, writes" : "Reads"}
                </Badge>
                <Button
                  small
                  look="danger"
                  aria-label={`Share ${it.host} no longer`}
                  busy={editing.busy === it.inside && "Saving"}
                  disabled={editing.busy !== null}
                  onClick={() =>
                    editing.edit(it.inside, {
                      folders: server.folders.filter((other) => other !== it),
                    })
                  }
                >
                  Remove
                </Button>
              </>
            }
          />
        ))}
        {server.folders.length === 0 && (
          <Empty title="No folders shared">It cannot read or write files of yours.</Empty>
        )}
      </Card>
    </Section>
  );
}

function FolderForm({
  server,
  editing,
  onClose,
}: {
  server: ServerDetails;
  editing: Editing;
  onClose: () => void;
}) {
  const [host, setHost] = useState("");
  const [inside, setInside] = useState("");
  const [access, setAccess] = useState<"read_only" | "read_write">("read_only");
  const problem =
    host && !isAbsolute(host) ? "A whole path is needed, such as /home/me/notes" : undefined;
  return (
    <form
      aria-label="Share a folder"
      className="mb-3 flex flex-wrap items-start gap-x-3 gap-y-2"
      onSubmit={async (event) => {
        event.preventDefault();
        const folder = { host: host.trim(), inside: inside.trim() || host.trim(), access };
        const shared = editing.edit("Sharing", { folders: [...server.folders, folder] });
        if (await shared) onClose();
      }}
    >
      <Field label="Folder on this machine" error={problem} className="min-w-52 flex-2">
        {(names) => (
          <Input
            {...names}
            mono
            autoFocus
            placeholder="/home/me/notes"
            value={host}
            onChange={(event) => setHost(event.target.value)}
          />
        )}
      </Field>
      <Field label="Where the server finds it" className="min-w-40 flex-1">
        {(names) => (
          <Input
            {...names}
            mono
            placeholder={host || "the same place"}
            value={inside}
            onChange={(event) => setInside(event.target.value)}
          />
        )}
      </Field>
      <Segmented
        label="What it may do there"
        className="sm:mt-[25px]"
        value={access}
        onChange={setAccess}
        options={[
          { value: "read_only", label: "Read only" },
          { value: "read_write", label: "Read and write" },
        ]}
      />
      <div className="flex gap-2 sm:mt-[25px]">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          type="submit"
          look="primary"
          busy={editing.busy === "Sharing" && "Sharing"}
          disabled={!host.trim() || problem !== undefined}
        >
          Share
        </Button>
      </div>
      <p className="basis-full text-xs text-muted">
        What runs is ended, and begins anew with the folder.
      </p>
      {editing.error !== null && <ErrorNote className="basis-full" error={editing.error} />}
    </form>
  );
}
