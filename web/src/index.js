// Fills in this server's addresses, and asks whether it is there.

const scheme = location.protocol === "https:" ? "wss" : "ws";
const ws = `${scheme}://${location.host}/stomp`;
document.querySelector("#ws").textContent = ws;
document.querySelector("#tcp").textContent = `stomp://${location.hostname}:61613`;
for (const place of document.querySelectorAll("[data-ws]")) place.textContent = ws;
for (const place of document.querySelectorAll("[data-http]")) place.textContent = location.origin;

const state = document.querySelector("#state");
const socket = new WebSocket(ws, ["v12.stomp"]);
socket.onopen = () => {
  state.textContent = "running, takes connections";
  socket.close();
};
socket.onerror = () => {
  state.textContent = "does not answer";
};

for (const snippet of document.querySelectorAll(".snippet")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(snippet.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  snippet.querySelector("header").append(button);
}
