// A message to itself through the broker that PORT names, if it does.
exports.roundTrip = (Stomp) => {
  const { PORT } = process.env;
  if (!PORT) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const client = Stomp.overTCP("127.0.0.1", Number(PORT));
    client.connect(
      "guest",
      "guest",
      () => {
        client.subscribe(`/queue/packaging-${process.pid}`, (message) => {
          if (message.body !== "hällo") reject(new Error(message.body));
          client.disconnect(resolve);
        });
        client.send(`/queue/packaging-${process.pid}`, {}, "hällo");
      },
      reject,
    );
  });
};
