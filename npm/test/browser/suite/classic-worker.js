importScripts("/dist/stomp.min.js");

onmessage = ({ data }) => {
  const client = self.Stomp.client(data);
  client.debug = null;
  const queue = `/queue/worker-${Math.random()}`;
  client.connect(
    "guest",
    "guest",
    () => {
      client.subscribe(queue, ({ body }) => client.disconnect(() => postMessage(body)));
      client.send(queue, {}, "h\u00e4llo");
    },
    (error) => postMessage(String(error)),
  );
};
