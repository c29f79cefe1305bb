// The chat about a slow checkout, which waits for a decision.

import type { MessageBody } from "@/api/types";
import { ISSUE } from "./approvals";
import { answered, called, wrote } from "./messages";
import { MINUTE } from "./time";

const LOG = `a41f9c2  Tue 17 Nov 14:06  Jonas Pfeil   Show stock per line in the cart
7be0d13  Tue 17 Nov 11:52  Leila Haddad  Bump pg driver to 8.14
e90c5aa  Mon 16 Nov 17:31  Jonas Pfeil   Extract CartLine component`;

const ANSWER = `Yes, and it fits one commit. \`a41f9c2\` asks the stock table once *per cart line*, so the time now grows with the size of the cart:

| Lines in cart | Before, p95 | Since Tuesday | Queries |
| --- | ---: | ---: | ---: |
| 1 to 3 | 118 ms | 131 ms | 6 |
| 4 to 10 | 124 ms | **412 ms** | 15 |
| More than 10 | 137 ms | **1,286 ms** | 44 |

One query for the whole cart brings it back:

\`\`\`ts src/cart/stock.ts
export async function stockFor(lines: CartLine[]) {
  const skus = lines.map((line) => line.sku)
  return db.query(\`select sku, free from stock where sku = any($1)\`, [skus])
}
\`\`\`

I would file this before the weekend sale, so that Jonas can pick it up.`;

const REASONING =
  "The person says that checkout is slower since Tuesday. I should look at what was deployed, then at the history of the cart folder, and compare that with the attached timings.";

const question = wrote(
  "m1",
  6 * MINUTE,
  "Checkout feels slower since Tuesday. What changed in the code, and does it show in the timings I attached?",
  { type: "file", filename: "checkout-p95.csv", mediaType: "text/csv", url: "" },
);

const answer = answered("m2", 5 * MINUTE, [
  { type: "reasoning", id: "0", text: REASONING, state: "done" },
  ...called(
    "t1",
    "github__list_deployments",
    "List deployments",
    { repo: "northwind/checkout", since: "17 Nov" },
    "14 deployments\n2026-11-17 14:20 checkout a41f9c2",
    803,
  ),
  ...called(
    "t2",
    "git__git_log",
    "Read the history",
    { folder: "~/src/checkout", since: "2026-11-16", path: "src/cart" },
    LOG,
    212,
  ),
  {
    type: "data-usage",
    id: "usage-1",
    data: { step: 1, finish: "tool_calls", usage: { input_tokens: 8120, output_tokens: 164 } },
  },
  { type: "step-start" },
  { type: "text", text: ANSWER, state: "done" },
  {
    type: "dynamic-tool",
    toolName: "github__create_issue",
    toolCallId: "t3",
    title: "Open an issue",
    state: "approval-requested",
    input: ISSUE,
    approval: { id: "apr_1" },
  },
  {
    type: "data-usage",
    id: "usage-2",
    data: { step: 2, finish: "tool_calls", usage: { input_tokens: 9011, output_tokens: 412 } },
  },
]);

export const checkout: MessageBody[] = [question, answer];
