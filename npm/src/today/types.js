// What @stomp/stompjs exports beside its clients and frames.

/** An enumeration as TypeScript makes it: names to numbers, and numbers to names. */
const numbered = (...names) =>
  Object.assign(Object.fromEntries(names.map((name, number) => [name, number])), names);

/** Values of a socket's `readyState`. */
export const StompSocketState = /* @__PURE__ */ numbered("CONNECTING", "OPEN", "CLOSING", "CLOSED");

/** Values of `client.state`. */
export const ActivationState = /* @__PURE__ */ numbered("ACTIVE", "DEACTIVATING", "INACTIVE");

/** How the delay between attempts to connect grows. */
export const ReconnectionTimeMode = /* @__PURE__ */ numbered("LINEAR", "EXPONENTIAL");

/** What heart-beats tick by. */
export const TickerStrategy = { Interval: "interval", Worker: "worker" };

/** Of use as types only. */
export class StompConfig {}
export class StompHeaders {}

/** Versions of STOMP, the best one first. */
export const Versions = /* @__PURE__ */ (() => {
  class Versions {
    constructor(versions) {
      this.versions = versions;
    }

    /** As `accept-version` has them. */
    supportedVersions() {
      return this.versions.join();
    }

    /** As a WebSocket offers them. */
    protocolVersions() {
      return this.versions.map((version) => `v${version.replace(".", "")}.stomp`);
    }
  }
  // Not as static fields: bundlers could not leave the class out.
  const [V1_0, V1_1, V1_2] = ["1.0", "1.1", "1.2"];
  return Object.assign(Versions, { V1_0, V1_1, V1_2, default: new Versions([V1_2, V1_1, V1_0]) });
})();
