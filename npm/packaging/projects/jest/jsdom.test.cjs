/** @jest-environment jsdom */
const { Stomp } = require("stompbox");

test("a client takes a socket of the test's", () => {
  const socket = { readyState: 0, close() {}, send() {} };
  const client = Stomp.over(socket);
  client.debug = null;
  client.connect({}, () => {});
  expect(typeof socket.onopen).toBe("function");
});
