//! The Stompbox front: TCP and WebSocket listeners, pages and the broker engine.
