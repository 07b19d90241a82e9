/** A message: of its body text and bytes are made when they are read. */
export class Message {
  constructor(event, acknowledge) {
    const { headers } = event;
    this.headers = headers;
    this.destination = headers.destination;
    this.isAcknowledged = false;
    Object.defineProperty(this, "event", { value: event });
    const end = (consumed) => (more) => {
      acknowledge(consumed, headers, more);
      this.isAcknowledged = true;
    };
    this.ack = end(true);
    this.nack = end(false);
  }

  get body() {
    return this.event.body;
  }

  get binaryBody() {
    return this.event.binaryBody;
  }

  json() {
    return JSON.parse(this.body);
  }
}
