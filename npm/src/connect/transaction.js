import { pending, StompError } from "./errors.js";

/** Begins a transaction, calls `work` with it, and commits it, or aborts it if `work` fails. */
export async function transaction(client, work, { signal, timeout } = {}) {
  signal?.throwIfAborted();
  const own = client.need();
  const id = `tx-${++client.counter}`;
  const header = { transaction: id };
  const isHere = () => {
    if (client.connection !== own) {
      throw new StompError("lost", `the connection of transaction ${id} is lost, and so is it`);
    }
  };
  own.request("begin", id);
  // It ends with its connection.
  const end = client.waitFor(`${id} ends`, pending(signal), Infinity);
  try {
    const transaction = {
      id,
      publish: async (destination, body, options) => {
        isHere();
        return client.publish(destination, body, { ...options, headers: { ...options?.headers, ...header } });
      },
      ack: (message) => message.ack(header),
      nack: (message) => message.nack(header),
    };
    const result = await Promise.race([work(transaction), end.promise]);
    isHere();
    const wait = client.waitFor(`${id} commit`, pending(signal), timeout, `the receipt of COMMIT ${id}`);
    own.request("commit", id, { receipt: `${id} commit` });
    await wait.promise;
    return result;
  } catch (error) {
    try {
      own.request("abort", id);
    } catch {
      // It has ended with its connection, or is committed but for the receipt.
    }
    throw error;
  } finally {
    end.resolve();
  }
}
