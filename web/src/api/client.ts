import { lost, signedOut } from "@/api/connection";
import type { paths } from "@/api/schema";
import type { ApiErrorBody } from "@/api/types";

type Method = "get" | "post" | "put" | "patch" | "delete";

type Member<T, K> = K extends keyof T ? T[K] : never;
type JsonOf<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Succeeded<R> = { [S in keyof R]: S extends 200 | 201 | 202 ? JsonOf<R[S]> : never }[keyof R];

/** An operation of the description in a short form. */
type Described<O> = O extends { parameters: infer P; responses: infer R }
  ? {
      path: Member<P, "path">;
      query: Member<P, "query">;
      body: O extends { requestBody?: infer B } ? JsonOf<Exclude<B, undefined>> : undefined;
      answer: [Succeeded<R>] extends [never] ? undefined : Succeeded<R>;
    }
  : never;

type OperationOf<P, M> = Described<Member<Member<paths, P>, M>>;

type PathOf<M extends Method> = {
  [P in keyof paths]: OperationOf<P, M> extends never ? never : P;
}[keyof paths];

type Given<K extends string, T> = [T] extends [never]
  ? { [key in K]?: undefined }
  : undefined extends T
    ? { [key in K]?: T }
    : { [key in K]: T };

type Options<O> = Given<"path", Member<O, "path">> &
  Given<"query", Member<O, "query"> | undefined> &
  Given<"body", Member<O, "body">> & { signal?: AbortSignal };

type Rest<O> =
  Record<string, never> extends Options<O> ? [options?: Options<O>] : [options: Options<O>];

/** A request that the program answered with an error. `code` is for branching on. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, body: ApiErrorBody) {
    super(body.message);
    this.name = "ApiFailure";
    this.status = status;
    this.code = body.code;
    this.hint = body.hint ?? null;
  }
}

/** A request that had no answer at all. */
export class NoAnswer extends Error {
  constructor() {
    super("the program does not answer");
    this.name = "NoAnswer";
  }
}

/** Asks the program. Throws {@link ApiFailure} or {@link NoAnswer}. */
async function request(method: string, path: string, options: Loose = {}): Promise<unknown> {
  const response = await ask(method, address(path, options), options);
  if (response.status === 204 || response.headers.get("content-length") === "0") return undefined;
  const type = response.headers.get("content-type") ?? "";
  return type.includes("json") ? response.json() : undefined;
}

interface Loose {
  path?: Record<string, unknown> | undefined;
  query?: Record<string, unknown> | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

async function ask(method: string, url: string, { body, signal }: Loose): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: method.toUpperCase(),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    lost();
    throw new NoAnswer();
  }
  if (response.ok) return response;
  if (response.status === 401) signedOut();
  throw await failure(response);
}

/** Returns the error that an answer tells of. */
export async function failure(response: Response): Promise<ApiFailure> {
  try {
    const body: unknown = await response.json();
    if (isError(body)) return new ApiFailure(response.status, body);
  } catch {
    // Not JSON: something between us and the program answered.
  }
  const message = `the program answered with ${response.status} ${response.statusText}`.trim();
  return new ApiFailure(response.status, { code: "unreadable", message });
}

function isError(body: unknown): body is ApiErrorBody {
  return (
    typeof body === "object" &&
    body !== null &&
    typeof (body as ApiErrorBody).message === "string" &&
    typeof (body as ApiErrorBody).code === "string"
  );
}

/** Returns the address of an operation, its parameters filled in. */
export function address(path: string, { path: values = {}, query = {} }: Loose): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name] ?? "")),
  );
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [name, String(value)]);
  const text = new URLSearchParams(pairs).toString();
  return text ? `${filled}?${text}` : filled;
}

function call<M extends Method>(method: M) {
  return <P extends PathOf<M>>(
    path: P,
    ...[options]: Rest<OperationOf<P, M>>
  ): Promise<Member<OperationOf<P, M>, "answer">> =>
    request(method, path as string, options as Loose | undefined) as Promise<
      Member<OperationOf<P, M>, "answer">
    >;
}

export const api = {
  get: call("get"),
  post: call("post"),
  put: call("put"),
  patch: call("patch"),
  delete: call("delete"),
};
