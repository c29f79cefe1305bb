import { failure } from "@/api/client";

/** What became of the link that opened the page. */
let refusal: string | null = null;

/** Returns why the link was not taken, or null. */
export function linkRefusal(): string | null {
  return refusal;
}

/**
 * Exchanges the token of a link, `#login=…`, for a session, and takes it out of the address at once, so
 * that it is in no history.
 */
export async function signIn(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get("login");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (!answer.ok) refusal = (await failure(answer)).message;
  } catch {
    // The program does not answer; the page says so by itself.
  }
}
