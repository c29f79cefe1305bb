import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import { type Following, follow, type Sign, START } from "./follow";

const BACK_KEYS = new Set(["PageUp", "ArrowUp", "Home"]);

/** Keeps a scroller at its end while the reader is there. */
export function useFollow(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
) {
  const state = useRef<Following>(START);
  const [away, setAway] = useState(false);
  const feel = useCallback((sign: Sign) => {
    state.current = follow(state.current, sign);
    setAway(!state.current.on);
  }, []);

  const toEnd = useCallback(() => {
    feel({ type: "end" });
    const it = scroller.current;
    if (it) it.scrollTop = it.scrollHeight;
  }, [feel, scroller]);

  useEffect(() => {
    const box = scroller.current;
    const inside = content.current;
    if (!box || !inside) return;
    const stay = () => {
      if (state.current.on) box.scrollTop = box.scrollHeight;
    };
    const sizes = new ResizeObserver(stay);
    sizes.observe(inside);
    sizes.observe(box);
    stay();

    let touched: number | null = null;
    const on = new AbortController();
    const options = { passive: true, signal: on.signal };
    const canGoBack = () => box.scrollHeight > box.clientHeight + 1;
    box.addEventListener(
      "wheel",
      (event) => event.deltaY < 0 && canGoBack() && feel({ type: "back" }),
      options,
    );
    box.addEventListener(
      "touchstart",
      (event) => (touched = event.touches[0]?.clientY ?? null),
      options,
    );
    box.addEventListener(
      "touchmove",
      (event) => {
        const y = event.touches[0]?.clientY ?? 0;
        if (touched !== null && y > touched + 4 && canGoBack()) feel({ type: "back" });
      },
      options,
    );
    box.addEventListener(
      "keydown",
      (event) => BACK_KEYS.has(event.key) && !isField(event.target) && feel({ type: "back" }),
      options,
    );
    // The bar itself is drawn.
    box.addEventListener(
      "pointerdown",
      (event) => event.target === box && feel({ type: "back" }),
      options,
    );
    box.addEventListener(
      "scroll",
      () =>
        feel({
          type: "scroll",
          measure: { top: box.scrollTop, height: box.scrollHeight, seen: box.clientHeight },
        }),
      options,
    );
    return () => {
      on.abort();
      sizes.disconnect();
    };
  }, [scroller, content, feel]);

  return { away, toEnd };
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}
