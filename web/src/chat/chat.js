// The chat of the manual page: connect, subscribe, send, and a pane with the frames. Whatever comes
// from the network is shown as text.

"use strict";

const MOST_MESSAGES = 500;
const MOST_FRAMES = 200;
const MOST_OF_A_FRAME = 4000;

const find = (id) => document.getElementById(id);
const scheme = location.protocol === "https:" ? "wss" : "ws";
find("url").value = `${scheme}://${location.host}/stomp`;

let client;

function show(state, text) {
  find("state").dataset.state = state;
  find("state").textContent = text;
}

function explain() {
  const destination = find("destination").value.trim();
  const topic = destination.startsWith("/topic/");
  document.querySelector("[data-destination]").textContent = destination;
  find("kind").textContent = topic
    ? "A topic: each message goes to everybody who is connected."
    : "A queue: each message goes to one of those who read it, in turn. For a room of many, use /topic/test.";
}

function addMessage({ body, headers, binaryBody }) {
  const name = headers.name ?? "somebody over plain STOMP";
  const item = document.createElement("li");
  item.classList.toggle("mine", Boolean(headers.name) && headers.name === find("name").value);
  const from = document.createElement("div");
  from.className = "from";
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  from.textContent = `${name}, ${time}`;
  const text = document.createElement("div");
  text.className = "body";
  text.textContent = body.includes("\uFFFD")
    ? `${binaryBody.length} bytes that are no text`
    : body.replace(/[\r\n]+$/, "");
  item.append(from, text);
  append(find("messages"), item, MOST_MESSAGES);
}

function addFrame(line) {
  const item = document.createElement("span");
  item.className = line.startsWith(">>> ") ? "out" : line.startsWith("<<< ") ? "in" : "";
  const text = line.replaceAll("\0", "^@").trimEnd();
  item.textContent =
    text.length > MOST_OF_A_FRAME
      ? `${text.slice(0, MOST_OF_A_FRAME)} … and ${text.length - MOST_OF_A_FRAME} characters more`
      : text;
  append(find("frames"), item, MOST_FRAMES);
}

/** Adds to the end of a list, and shows the end unless the user has scrolled up to read. */
function append(list, item, most) {
  const atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
  list.append(item);
  while (list.children.length > most) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function setConnected(connected) {
  find("connect").hidden = connected;
  find("room").hidden = !connected;
  find("open").disabled = false;
}

function failed(error) {
  // An ERROR frame tells why; the loss that follows says nothing new.
  if (typeof error !== "string") {
    show("lost", `the server says: ${error.headers?.message ?? error.message}`);
  } else if (find("state").dataset.state !== "lost") {
    show("lost", "connection lost");
  }
  setConnected(false);
}

find("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  const destination = find("destination").value.trim();
  find("open").disabled = true;
  show("off", "connecting …");
  try {
    client = Stomp.client(find("url").value.trim());
  } catch (error) {
    show("lost", error.message);
    find("open").disabled = false;
    return;
  }
  client.debug = addFrame;
  client.connect(
    find("login").value,
    find("passcode").value,
    () => {
      show("on", `connected, STOMP ${client.version}`);
      find("where").textContent = destination;
      client.subscribe(destination, addMessage);
      setConnected(true);
      find("text").focus();
    },
    failed,
  );
});

find("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("text").value;
  const name = find("name").value.trim();
  try {
    client.send(find("where").textContent, name ? { name } : {}, text);
    find("text").value = "";
  } catch (error) {
    show("lost", error.message);
  }
});

find("leave").addEventListener("click", () => {
  client.disconnect(() => {
    show("off", "disconnected");
    setConnected(false);
    find("open").focus();
  });
});

find("debug").open = matchMedia("(min-width: 60rem)").matches;
find("debug").addEventListener("toggle", () => {
  find("frames").scrollTop = find("frames").scrollHeight;
});
document.querySelector("[data-host]").textContent = location.hostname;
find("destination").addEventListener("input", explain);
explain();
