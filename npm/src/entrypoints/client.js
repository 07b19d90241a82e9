// Everything that @stomp/stompjs exports.
export * from "../today/index.js";
