// Lists that come in pages: as many as were asked for are asked anew together.

import { button, told } from "./dom.js";

/**
 * `ask(after)` gives `{items, next}`; `show(items)` shows all items of the pages that are wanted.
 * `refresh()` asks anew, `restart()` for the first page, and `more` is a button that wants one more.
 */
export function listing(ask, show) {
  let wanted = 1;
  let turn = 0;
  const refresh = async () => {
    const own = ++turn;
    const items = [];
    let after;
    for (let page = 0; page < wanted; page++) {
      const answer = await ask(after);
      items.push(...answer.items);
      after = answer.next ?? undefined;
      if (after === undefined) break;
    }
    // If it was asked again meanwhile, that answer counts.
    if (own === turn) {
      more.hidden = after === undefined;
      show(items);
    }
  };
  const more = button(
    "Show more",
    () => {
      wanted++;
      return refresh();
    },
    "quiet small more",
  );
  more.hidden = true;
  const restart = told(() => {
    wanted = 1;
    return refresh();
  });
  return { refresh, restart, more };
}
