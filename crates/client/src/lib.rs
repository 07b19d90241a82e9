//! The async STOMP client for TCP and WebSocket, over tokio.
