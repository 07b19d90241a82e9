// What @stomp/stompjs exports beside its clients and frames.

/** An enumeration as TypeScript makes it: names to numbers, and numbers to names. */
const numbered = (...names) =>
  Object.assign(Object.fromEntries(names.map((name, number) => [name, number])), names);

/** Values of a socket's `readyState`. */
export const StompSocketState = numbered("CONNECTING", "OPEN", "CLOSING", "CLOSED");

/** Values of `client.state`. */
export const ActivationState = numbered("ACTIVE", "DEACTIVATING", "INACTIVE");

/** How the delay between attempts to connect grows. */
export const ReconnectionTimeMode = numbered("LINEAR", "EXPONENTIAL");

/** What heart-beats tick by. */
export const TickerStrategy = { Interval: "interval", Worker: "worker" };

/** Of use as types only. */
export class StompConfig {}
export class StompHeaders {}

/** Versions of STOMP, the best one first. */
export class Versions {
  static V1_0 = "1.0";
  static V1_1 = "1.1";
  static V1_2 = "1.2";
  static default = new Versions(["1.2", "1.1", "1.0"]);

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
