import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Search } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { keys, modelsQuery, providersQuery } from "@/api/queries";
import type { Model, ModelList, Provider } from "@/api/types";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { Card, Section } from "@/components/card";
import { Empty } from "@/components/empty";
import { Loaded } from "@/components/loaded";
import { ErrorNote } from "@/components/notice";
import { Table, Td, Th, Tr } from "@/components/table";
import { QuotedLine } from "@/components/wall";
import { useAction } from "@/lib/use-action";
import { bytes, count, thousands } from "@/lib/words";
import { AddProvider } from "./add-provider";
import { ProviderCard } from "./provider-card";

/** Who answers: providers on this machine and elsewhere, their models, and the one of new chats. */
export function ModelsSection() {
  const client = useQueryClient();
  const query = useQuery(providersQuery);
  const { data: models } = useQuery(modelsQuery);
  const { busy, error, run } = useAction();
  const [adding, setAdding] = useState(false);
  const look = () =>
    run("Looking", async () => {
      await api.post("/api/v1/providers/discover");
      await client.invalidateQueries({ queryKey: keys.providers });
      await client.invalidateQueries({ queryKey: keys.models });
    });
  const actions = (
    <>
      <Button icon={Search} busy={busy} onClick={look}>
        Look on this machine
      </Button>
      <Button icon={Plus} aria-expanded={adding} onClick={() => setAdding(!adding)}>
        Add a provider
      </Button>
    </>
  );
  return (
    <>
      <Section title="Providers" action={actions}>
        {error !== null && <ErrorNote className="mb-3" error={error} />}
        {adding && <AddProvider onDone={() => setAdding(false)} />}
        <Loaded query={query} what="The providers">
          {(providers) =>
            providers.length ? (
              <div className="flex flex-col gap-4">
                {providers.map((it) => (
                  <ProviderCard key={it.id} provider={it}>
                    <Models provider={it} list={models} />
                  </ProviderCard>
                ))}
              </div>
            ) : (
              <Card>
                <Empty title="No provider of models is known">
                  Start Ollama, LM Studio or another model server on this machine, and it is found
                  by itself. Or add one with a key: what you write goes there then.
                </Empty>
              </Card>
            )
          }
        </Loaded>
      </Section>
      {models?.default_chosen && <NoDefault />}
    </>
  );
}

/** The models of a provider, and which one new chats begin with. */
function Models({ provider, list }: { provider: Provider; list: ModelList | undefined }) {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  const [all, setAll] = useState(false);
  const mine = list?.models.filter((it) => it.provider === provider.id) ?? [];
  if (!provider.enabled || mine.length === 0) return null;
  const shown = all ? mine : mine.slice(0, ROWS_AT_ONCE);
  const isDefault = (it: Model) =>
    list?.default?.provider === provider.id && list.default.model === it.name;
  const choose = (it: Model) =>
    run(it.name, async () => {
      await api.put("/api/v1/models/default", { body: { provider: provider.id, model: it.name } });
      await client.invalidateQueries({ queryKey: keys.models });
    });
  return (
    <div className="border-t border-border">
      {error !== null && <ErrorNote className="m-3" error={error} />}
      <Table aria-label={`Models of ${provider.name}`}>
        <thead>
          <tr>
            <Th>Model</Th>
            <Th className="max-sm:hidden">Tools</Th>
            <Th end className="max-sm:hidden">
              Context
            </Th>
            <Th end className="max-md:hidden">
              Size
            </Th>
            <Th end>New chats</Th>
          </tr>
        </thead>
        <tbody>
          {shown.map((it) => (
            <Tr key={it.name}>
              <Td>
                <span className="font-medium">
                  <QuotedLine text={it.title} max={80} />
                </span>{" "}
                {it.parameters && <span className="num text-xs text-faint">{it.parameters}</span>}
                {it.vision && <span className="text-xs text-faint"> sees images</span>}
              </Td>
              <Td className="max-sm:hidden">
                {it.tools === false ? (
                  <span className="text-warning">Cannot</span>
                ) : it.tools ? (
                  "Can"
                ) : (
                  <span className="text-faint">Not known</span>
                )}
              </Td>
              <Td end className="num max-sm:hidden">
                {it.context_tokens ? `${thousands(it.context_tokens)} tokens` : ""}
              </Td>
              <Td end className="num max-md:hidden">
                {it.size_bytes ? bytes(it.size_bytes) : ""}
              </Td>
              <Td end className="w-0 whitespace-nowrap">
                {isDefault(it) ? (
                  <Badge tone="accent">Chosen</Badge>
                ) : (
                  <Button
                    small
                    look="ghost"
                    busy={busy === it.name && "Choosing"}
                    disabled={busy !== null}
                    aria-label={`Choose ${it.title} for new chats`}
                    onClick={() => choose(it)}
                  >
                    Choose
                  </Button>
                )}
              </Td>
            </Tr>
          ))}
        </tbody>
      </Table>
      {mine.length > shown.length && (
        <Button look="ghost" className="m-1.5" onClick={() => setAll(true)}>
          Show all {count(mine.length, "model")}
        </Button>
      )}
    </div>
  );
}

const ROWS_AT_ONCE = 8;

/** Takes the choice back, so that the program takes what there is. */
function NoDefault() {
  const client = useQueryClient();
  const { busy, error, run } = useAction();
  return (
    <p className="mt-4 flex flex-wrap items-center gap-2 text-muted">
      You have chosen what new chats begin with.
      <Button
        small
        look="ghost"
        busy={busy}
        onClick={() =>
          run("Saving", async () => {
            await api.delete("/api/v1/models/default");
            await client.invalidateQueries({ queryKey: keys.models });
          })
        }
      >
        Leave it to Archestra
      </Button>
      {error !== null && <ErrorNote className="basis-full" error={error} />}
    </p>
  );
}
