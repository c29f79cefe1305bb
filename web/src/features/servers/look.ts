import { ApiFailure, api } from "@/api/client";
import type { Effect, ToolReview } from "@/api/types";

/** Says that tools were looked at, as they were shown. */
export async function look(
  slug: string,
  looked: ReadonlyArray<{ review: ToolReview; setting: Effect }>,
): Promise<void> {
  const tools = looked.flatMap(({ review, setting }) => {
    const pin = review.told?.pin ?? review.pinned?.pin;
    return pin ? [{ tool: review.name, pin, setting }] : [];
  });
  await api.post("/api/v1/servers/{server}/tools/look", {
    path: { server: slug },
    body: { tools },
  });
}

/** A tool that has changed once more needs other words than the program's. */
export function lookError(error: unknown): unknown {
  if (!(error instanceof ApiFailure) || error.code !== "stale") return error;
  return new Error("it has changed once more since this page was drawn. Look at it again");
}
