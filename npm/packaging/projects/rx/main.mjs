// @stomp/rx-stomp on this package, which stands at @stomp/stompjs.
import { RxStomp, RxStompRPC } from "@stomp/rx-stomp";
import { firstValueFrom, filter, take } from "rxjs";

const { PORT } = process.env;
const client = new RxStomp();
if (PORT) {
  client.configure({
    brokerURL: `stomp://127.0.0.1:${PORT}`,
    connectHeaders: { login: "guest", passcode: "guest" },
    reconnectDelay: 20,
  });
  client.activate();
  await firstValueFrom(client.connected$);

  const publish = async (destination, body) => {
    const receipt = `rx-${Math.random()}`;
    const got = client.asyncReceipt(receipt);
    client.publish({ destination, body, headers: { receipt } });
    await got;
  };
  const queue = `/queue/rx-${process.pid}`;
  const messages = [];
  client.watch(queue).subscribe(({ body }) => messages.push(body));
  await publish(queue, "first");

  // It subscribes again by itself.
  const again = firstValueFrom(client.connected$.pipe(filter(Boolean), take(2)).pipe(filter((_, at) => at === 1)));
  client.stompClient.forceDisconnect();
  await again;
  await publish(queue, "second");
  while (messages.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  if (messages.join() !== "first,second") throw new Error(messages.join());

  const service = `/queue/rx-service-${process.pid}`;
  client.watch(service).subscribe(({ body, headers }) =>
    client.publish({
      destination: headers["reply-to"],
      body: `re: ${body}`,
      headers: { "correlation-id": headers["correlation-id"] },
    }),
  );
  const answer = await firstValueFrom(new RxStompRPC(client).rpc({ destination: service, body: "x" }));
  if (answer.body !== "re: x") throw new Error(answer.body);
  await client.deactivate();
}
console.log("ok");
