//! Gateways before brokers that a test names.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use stompbox_server::{Config, GatewayConfig, GatewayMode, Upstream};

use crate::common::TestServer;

pub(crate) const BOTH: [GatewayMode; 2] = [GatewayMode::Pooled, GatewayMode::Passthrough];

/// One that has a single shared connection.
pub(crate) fn config(mode: GatewayMode, upstreams: &[SocketAddr]) -> GatewayConfig {
    let parse = |address: &SocketAddr| -> Upstream { address.to_string().parse().unwrap() };
    let mut gateway = GatewayConfig::new(upstreams.iter().map(parse));
    gateway.mode = mode;
    gateway.connections = 1;
    gateway
}

pub(crate) async fn with(gateway: GatewayConfig) -> TestServer {
    TestServer::with(Config {
        gateway: Some(gateway),
        ..Config::default()
    })
    .await
}
