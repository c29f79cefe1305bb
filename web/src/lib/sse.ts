/** One event of a stream of server-sent events, without its type. */
export interface SseEvent {
  id: string | null;
  data: string;
}

/** Reads events from pieces of text, wherever they were cut. */
export class SseReader {
  private rest = "";
  private id: string | null = null;
  private data: string[] = [];

  /** Returns the events that are whole now. */
  read(piece: string): SseEvent[] {
    const events: SseEvent[] = [];
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (this.data.length) events.push({ id: this.id, data: this.data.join("\n") });
        this.data = [];
        continue;
      }
      const at = line.indexOf(":");
      const name = at < 0 ? line : line.slice(0, at);
      const value = at < 0 ? "" : line.slice(at + (line.charAt(at + 1) === " " ? 2 : 1));
      if (name === "data") this.data.push(value);
      else if (name === "id") this.id = value;
    }
    return events;
  }
}
