/** What `next` gives; the numbers are the core's. */
export const Kind = {
  CONNECTED: 1,
  MESSAGE: 2,
  UNKNOWN_MESSAGE: 3,
  RECEIPT: 4,
  DISCONNECTED: 5,
  ERROR: 6,
  UNHANDLED: 7,
  FAILURE: 8,
  FRAME: 9,
};
