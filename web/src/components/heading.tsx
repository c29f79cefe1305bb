import { type ComponentProps, createContext, type ReactNode, useContext } from "react";

type Level = 2 | 3 | 4;

/** The page's title is the first; what stands below it is of the second level. */
const Here = createContext<Level>(2);

/** A heading of the level that it stands at. */
export function Heading(props: ComponentProps<"h2">) {
  const Title = `h${useContext(Here)}` as const;
  return <Title {...props} />;
}

/** What stands below a heading: below the one around it, or from the level that is named. */
export function BelowHeading({ from, children }: { from?: Level; children: ReactNode }) {
  const here = useContext(Here);
  const below: Level = from ?? (here === 2 ? 3 : 4);
  return <Here value={below}>{children}</Here>;
}
