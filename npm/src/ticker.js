// Ticks for heart-beats. A browser slows the timers of a hidden page down to one a minute, but not
// those of a worker: all ticks of a page come from one small worker there. Where a policy refuses it
// (worker-src without blob:), they come from the page's own intervals.

const SOURCE =
  "const t={};onmessage=({data:[i,m]})=>{m?t[i]=setInterval(postMessage,m,i):clearInterval(t[i])};postMessage(0)";

/** What ticks: `{interval, callback}` by number, and `stop` where no worker does it. */
const ticks = new Map();
let counter = 0;
let worker;
let isRefused = false;

/** Calls back every `interval` milliseconds, by the page's own timers. Returns what ends it. */
export function everyInterval(interval, callback) {
  const timer = setInterval(callback, interval);
  return () => clearInterval(timer);
}

/** Whether a worker ticks. */
export const hasWorker = () =>
  typeof document === "object" && typeof Worker === "function" && !isRefused;

/** Calls back every `interval` milliseconds, also while the page is hidden. Returns what ends it. */
export function every(interval, callback) {
  if (!hasWorker()) {
    return everyInterval(interval, callback);
  }
  const id = ++counter;
  const tick = { interval, callback };
  ticks.set(id, tick);
  worker ?? start();
  // What it is told before it runs, it hears then.
  worker?.postMessage([id, interval]);
  return () => {
    ticks.delete(id);
    tick.stop?.();
    worker?.postMessage([id, 0]);
    ticks.size || end();
  };
}

function start() {
  let url;
  const refuse = () => {
    url && URL.revokeObjectURL(url);
    isRefused = true;
    end();
    ticks.forEach((tick) => (tick.stop = everyInterval(tick.interval, tick.callback)));
  };
  try {
    url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
    worker = new Worker(url);
    worker.onmessage = ({ data: id }) => (id ? ticks.get(id)?.callback() : URL.revokeObjectURL(url));
    worker.onerror = (event) => {
      event.preventDefault();
      refuse();
    };
  } catch {
    refuse();
  }
}

function end() {
  worker?.terminate();
  worker = undefined;
}
