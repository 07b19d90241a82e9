export * from "./stompbox.mjs";
export { default } from "./stompbox.mjs";
