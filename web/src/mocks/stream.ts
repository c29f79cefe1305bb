// A run that never ends, as the program would send it.

const WORDS = `I looked at the history of the cart. Two commits matter, and **one of them** explains it.

## What changed

1. \`a41f9c2\` asks the stock table once per line.
2. \`7be0d13\` only bumps a driver.

\`\`\`ts
const skus = lines.map((line) => line.sku)
\`\`\`

I would file this before the weekend sale. Two more things that I saw in the timings: the slow requests all come from`;

const PIECE = 12;
const PAUSE_MS = 15;

/** Returns the bytes of a run: reasoning, a call that runs, and a text that stays unfinished. */
export function streamOf(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const chunks: object[] = [
    { type: "start", messageId: "n2", messageMetadata: { provider: "ollama", model: "qwen3:14b" } },
    { type: "start-step" },
    {
      type: "tool-input-start",
      toolCallId: "s1",
      toolName: "git__git_log",
      dynamic: true,
      title: "Read the history",
    },
    {
      type: "tool-input-available",
      toolCallId: "s1",
      toolName: "git__git_log",
      input: { path: "src/cart" },
      dynamic: true,
    },
    {
      type: "data-progress",
      id: "progress-s1",
      data: { call_id: "s1", progress: 3, total: 4, message: "reading commits" },
    },
    { type: "text-start", id: "1" },
  ];
  for (let i = 0; i < WORDS.length; i += PIECE) {
    chunks.push({ type: "text-delta", id: "1", delta: WORDS.slice(i, i + PIECE) });
  }
  let next = 0;
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks[next];
      next += 1;
      if (!chunk) return new Promise(() => {});
      await new Promise((done) => setTimeout(done, PAUSE_MS));
      controller.enqueue(encoder.encode(`id: ${next}\ndata: ${JSON.stringify(chunk)}\n\n`));
    },
  });
}
