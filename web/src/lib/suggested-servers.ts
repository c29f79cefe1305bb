/** A server to begin with: it needs no key. */
export interface Suggestion {
  /** As the field for packages takes it. */
  package: string;
  title: string;
  /** What it does, in our words. */
  does: string;
  reach: "nothing" | "folder";
  /** What to ask a model once it is there. */
  question: string;
}

export const SUGGESTIONS: readonly Suggestion[] = [
  {
    package: "pypi:mcp-server-time",
    title: "Time",
    does: "Tells the time anywhere and converts between time zones.",
    reach: "nothing",
    question: "What time is it now in Lisbon and in Tokyo?",
  },
  {
    package: "npm:@modelcontextprotocol/server-everything",
    title: "Everything",
    does: "A sampler of all that a server can do: text, pictures, progress, questions to you.",
    reach: "nothing",
    question: "Add 17 and 25 with a tool, then show me the tiny picture that the server has.",
  },
  {
    package: "npm:@modelcontextprotocol/server-filesystem",
    title: "Files",
    does: "Reads and writes files in one folder that you share with it, and in no other.",
    reach: "folder",
    question: "What is in the folder that I shared, and what is it about?",
  },
];
