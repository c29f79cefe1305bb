// Takes the place of the package `react-remove-scroll` in Radix' dialogs and menus. The original
// writes a style element into the page to stop the body from scrolling; here the body never scrolls,
// and the page's content policy forbids such elements.

import { type ElementType, Fragment, type HTMLAttributes, type ReactNode } from "react";

interface Props extends HTMLAttributes<HTMLElement> {
  as?: ElementType;
  children?: ReactNode;
  allowPinchZoom?: boolean;
  shards?: unknown;
  enabled?: boolean;
}

export function RemoveScroll({ as, children, allowPinchZoom, shards, enabled, ...rest }: Props) {
  const Container = as ?? Fragment;
  return <Container {...(as ? rest : {})}>{children}</Container>;
}
