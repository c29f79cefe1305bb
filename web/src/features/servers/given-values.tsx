import { KeyRound, Plus, SlidersHorizontal } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import type { ServerDetails } from "@/api/types";
import { Button } from "@/components/button";
import { Card, Row, Section } from "@/components/card";
import { Empty } from "@/components/empty";
import { Checkbox, Field, Input, SecretInput } from "@/components/field";
import { ErrorNote } from "@/components/notice";
import { Tile } from "@/components/tile";
import { QuotedLine } from "@/components/wall";
import { looksSecret } from "./draft";
import { type Editing, useEditServer } from "./use-edit-server";

/** The one that is being written: of a new name, or in the place of a former value. */
interface Writing {
  name: string;
  secret: boolean;
  isNew: boolean;
}

/** The variables that a server's process gets: values in clear, and secrets whose value is shown to nobody. */
export function GivenValues({ server }: { server: ServerDetails }) {
  const editing = useEditServer(server.slug);
  const [writing, setWriting] = useState<Writing | null>(null);
  const values = Object.entries(server.env);
  const begin = (it: Writing) => {
    editing.forget();
    setWriting(it);
  };
  const remove = (name: string, secret: boolean) =>
    secret
      ? editing.change(`Removing ${name}`, () =>
          api.delete("/api/v1/servers/{server}/secrets/{secret}", {
            path: { server: server.slug, secret: name },
          }),
        )
      : editing.edit(`Removing ${name}`, { env: { [name]: null } });
  const actions = (name: string, secret: boolean) => (
    <>
      <Button
        small
        look="ghost"
        aria-label={`Replace ${name}`}
        onClick={() => begin({ name, secret, isNew: false })}
      >
        Replace
      </Button>
      <Button
        small
        look="danger"
        aria-label={`Remove ${name}`}
        busy={editing.busy === `Removing ${name}` && "Removing"}
        disabled={editing.busy !== null}
        onClick={() => remove(name, secret)}
      >
        Remove
      </Button>
    </>
  );
  return (
    <Section
      title="Values and secrets"
      action={
        <Button
          icon={Plus}
          aria-expanded={writing?.isNew ?? false}
          onClick={() =>
            writing?.isNew ? setWriting(null) : begin({ name: "", secret: false, isNew: true })
          }
        >
          Give a value
        </Button>
      }
    >
      {writing && (
        <ValueForm
          key={`${writing.name} ${writing.isNew}`}
          server={server}
          editing={editing}
          writing={writing}
          onClose={() => setWriting(null)}
        />
      )}
      {editing.error !== null && !writing && <ErrorNote className="mb-3" error={editing.error} />}
      <Card>
        {server.secrets.map((name) => (
          <Row
            key={name}
            lead={<Tile icon={KeyRound} />}
            title={<code>{name}</code>}
            note="Sealed on this machine. The server itself gets it in clear when it starts."
            actions={actions(name, true)}
          />
        ))}
        {values.map(([name, value]) => (
          <Row
            key={name}
            lead={<Tile icon={SlidersHorizontal} />}
            title={<code>{name}</code>}
            note={
              <code>
                <QuotedLine text={value} max={200} />
              </code>
            }
            actions={actions(name, false)}
          />
        ))}
        {!server.secrets.length && !values.length && (
          <Empty title="Nothing was given">It has no keys and no settings of yours.</Empty>
        )}
      </Card>
    </Section>
  );
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

function ValueForm({
  server,
  editing,
  writing,
  onClose,
}: {
  server: ServerDetails;
  editing: Editing;
  writing: Writing;
  onClose: () => void;
}) {
  const [name, setName] = useState(writing.name);
  const [value, setValue] = useState("");
  /** Null until somebody has said it: then the name decides. */
  const [said, setSaid] = useState<boolean | null>(writing.isNew ? null : writing.secret);
  const secret = said ?? looksSecret(name);
  const isTaken = writing.isNew && (name in server.env || server.secrets.includes(name));
  const problem =
    name && !NAME.test(name)
      ? "Letters, digits and _, with no digit in front"
      : isTaken
        ? "It has one of this name: replace that"
        : undefined;
  const give = () =>
    secret
      ? editing.change("Giving", () =>
          api.put("/api/v1/servers/{server}/secrets/{secret}", {
            path: { server: server.slug, secret: name },
            body: { value, give_secrets_in_clear: true },
          }),
        )
      : editing.edit("Giving", { env: { [name]: value } });
  return (
    <form
      aria-label={writing.isNew ? "Give a value" : `Replace ${writing.name}`}
      className="mb-3 flex flex-wrap items-start gap-x-3 gap-y-2"
      onSubmit={async (event) => {
        event.preventDefault();
        if (await give()) onClose();
      }}
    >
      <Field label="Name" error={problem} className="min-w-44 flex-1">
        {(names) => (
          <Input
            {...names}
            mono
            autoFocus={writing.isNew}
            readOnly={!writing.isNew}
            placeholder="API_KEY"
            value={name}
            onChange={(event) => setName(event.target.value.trim())}
          />
        )}
      </Field>
      <Field label={secret ? "Secret value" : "Value"} className="min-w-56 flex-2">
        {(names) => {
          const rest = {
            ...names,
            value,
            autoFocus: !writing.isNew,
            onChange: (event: { target: { value: string } }) => setValue(event.target.value),
          };
          return secret ? <SecretInput {...rest} /> : <Input {...rest} mono />;
        }}
      </Field>
      <div className="flex gap-2 sm:mt-[25px]">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          type="submit"
          look="primary"
          busy={editing.busy === "Giving" && "Giving"}
          disabled={!name || problem !== undefined || (secret && !value)}
        >
          {secret ? "Give this secret" : "Give"}
        </Button>
      </div>
      <div className="basis-full text-muted">
        {writing.isNew && (
          <Checkbox
            label="Secret: sealed, never shown again"
            checked={secret}
            onCheckedChange={(on) => setSaid(on === true)}
          />
        )}
        <p className="text-xs">
          {secret
            ? `${server.title} itself sees it in clear: its code can keep it, and send it to each host that it may reach.`
            : "It is stored and shown as it is."}{" "}
          What runs is ended, and begins anew with it.
        </p>
      </div>
      {editing.error !== null && <ErrorNote className="basis-full" error={editing.error} />}
    </form>
  );
}
