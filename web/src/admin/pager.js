// Lists that come in pages: as many as were asked for are asked anew together.

import { button, told } from "./dom.js";

/** `ask(after)` gives `{items, next}`. */
export function pager(ask) {
  let wanted = 1;
  let turn = 0;
  const more = button("Show more", () => {}, "quiet small more");
  more.hidden = true;
  return {
    /** All items of the pages that are wanted; none if it was asked again meanwhile. */
    async items() {
      const own = ++turn;
      const items = [];
      let after;
      for (let page = 0; page < wanted; page++) {
        const answer = await ask(after);
        items.push(...answer.items);
        after = answer.next ?? undefined;
        if (after === undefined) break;
      }
      if (own !== turn) return undefined;
      more.hidden = after === undefined;
      return items;
    },
    reset() {
      wanted = 1;
    },
    /** A button that wants one more. */
    more(refresh) {
      more.onclick = () => {
        wanted++;
        return told(refresh)();
      };
      return more;
    },
  };
}
