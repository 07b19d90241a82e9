// Ticks for heart-beats. A browser slows the timers of a hidden page down to one a minute, but not
// those of a worker: all ticks of a page come from one small worker there. Where a policy refuses it
// (worker-src without blob:), and until it runs, they come from the page's own intervals.

const SOURCE =
  "const t={};onmessage=({data:[i,m]})=>{m?t[i]=setInterval(postMessage,m,i):clearInterval(t[i])};postMessage(0)";

/** What ticks: `{interval, callback, timer}` by number. */
const ticks = new Map();
let counter = 0;
let worker;
let isReady = false;
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
  const tick = { interval, callback, stop: undefined };
  ticks.set(id, tick);
  if (isReady) {
    worker.postMessage([id, interval]);
  } else {
    tick.stop = everyInterval(interval, callback);
    worker ?? start();
  }
  return () => {
    if (ticks.delete(id)) {
      tick.stop?.();
      isReady && worker.postMessage([id, 0]);
      if (!ticks.size) {
        end();
      }
    }
  };
}

function start() {
  let url;
  try {
    url = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
    const own = (worker = new Worker(url));
    own.onmessage = ({ data: id }) => {
      if (id) {
        ticks.get(id)?.callback();
        return;
      }
      URL.revokeObjectURL(url);
      isReady = own === worker;
      isReady &&
        ticks.forEach((tick, id) => {
          tick.stop();
          tick.stop = undefined;
          own.postMessage([id, tick.interval]);
        });
    };
    own.onerror = (event) => {
      event.preventDefault();
      refuse(url);
    };
  } catch {
    refuse(url);
  }
}

function refuse(url) {
  url && URL.revokeObjectURL(url);
  isRefused = true;
  end();
  ticks.forEach((tick) => (tick.stop ??= everyInterval(tick.interval, tick.callback)));
}

function end() {
  worker?.terminate();
  worker = undefined;
  isReady = false;
}
