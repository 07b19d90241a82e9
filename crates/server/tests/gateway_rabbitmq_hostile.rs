//! Hostile frames over the shared connection of a gateway before a real RabbitMQ, which the test starts:
//! `cargo test -p stompbox-server --test gateway_rabbitmq_hostile -- --ignored`.

mod common;
#[path = "common/gateway.rs"]
mod gateway;

use common::{LIMIT, TestServer, header};
use gateway::{config, with};
use stompbox_rabbitmq::Rabbit;
use stompbox_server::{GatewayMode, UpstreamKind};
use tokio::time::timeout;

/// Destinations that RabbitMQ takes otherwise than others do, or not at all.
const NAMES: [&str; 38] = [
    "/queue/%ZZ",
    "/queue/%",
    "/queue/a%00b",
    "/topic/a%00b",
    "/queue/a\\nb",
    "/queue/a\\rb",
    "/queue/%0Ab",
    "/queue/%FF",
    "/topic/%FF",
    "/topic/a//b",
    "/queue//",
    "/topic//",
    "/queue/ ",
    "/topic/ ",
    "/queue/a\\cb",
    "/queue/\u{fffd}\u{10ffff}",
    "/queue/amq.x",
    "/queue/amq%2Erabbitmq.x",
    "/queue/%61mq.x",
    "/queue/a,/queue/b",
    "/queue/*",
    "/topic/*",
    "/topic/a.#.b",
    "/exchange/",
    "/exchange//a",
    "/exchange/no.such/key",
    "/exchange/amq.topic",
    "/exchange/amq.fanout",
    "/exchange/amq.fanout/key",
    "/exchange/amq.direct/key",
    "/exchange/amq.headers",
    "/exchange/amq.topic/%FF",
    "/amq/queue/no.such",
    "/reply-queue/",
    "/reply-queue/amq.gen-x",
    "/reply-queue/%FF",
    "/temp-queue/a/b",
    "none",
];

/// Headers of a `SEND` that RabbitMQ reads.
const PROPERTIES: [&str; 22] = [
    "content-type",
    "content-encoding",
    "type",
    "correlation-id",
    "reply-to",
    "app-id",
    "user-id",
    "cluster-id",
    "amqp-message-id",
    "message-id",
    "delivery-mode",
    "timestamp",
    "persistent",
    "priority",
    "expiration",
    "CC",
    "BCC",
    "x-death",
    "x-max-length",
    "subscription",
    "ack",
    "redelivered",
];

/// Headers of a `SUBSCRIBE` that RabbitMQ reads.
const ASKED: [&str; 14] = [
    "prefetch-count:0",
    "prefetch-count:99999999999",
    "x-stream-offset:first",
    "x-stream-offset:zzz",
    "x-priority:abc",
    "exclusive:true",
    "auto-delete:true",
    "durable:true",
    "x-queue-name:named",
    "x-queue-type:zzz",
    "x-cancel-on-ha-failover:zzz",
    "x-credit:abc",
    "transaction:abc",
    "reply-to:/temp-queue/x",
];

fn frames() -> Vec<String> {
    let long = "x".repeat(300);
    let mut frames = Vec::new();
    let names = NAMES.map(str::to_owned).into_iter().chain([
        format!("/queue/{long}"),
        format!("/topic/{long}"),
        format!("/exchange/amq.topic/{long}"),
        format!("/reply-queue/{long}"),
    ]);
    for name in names {
        frames.push(format!("SEND\ndestination:{name}"));
        for ack in ["auto", "client"] {
            frames.push(format!("SUBSCRIBE\nid:1\nack:{ack}\ndestination:{name}"));
        }
    }
    for property in PROPERTIES {
        for value in [&*long, "abc", "", "-1", "99999999999999999999", "\\n"] {
            frames.push(format!("SEND\ndestination:/queue/h\n{property}:{value}"));
        }
        frames.push(format!("SEND\ndestination:/topic/h\n{property}:abc"));
    }
    for asked in ASKED {
        for destination in ["/queue/h", "/topic/h"] {
            frames.push(format!(
                "SUBSCRIBE\nid:1\nack:client\ndestination:{destination}\n{asked}"
            ));
        }
    }
    for id in ["", " ", "1", "2", "T_1", "a\\cb\\n", "/temp-queue/x", &long] {
        frames.push(format!("SUBSCRIBE\nid:{id}\ndestination:/queue/h"));
        frames.push(format!("BEGIN\ntransaction:{id}"));
    }
    frames.push(format!("SEND\ndestination:/queue/h\n{long}:x"));
    frames.push("SEND\ndestination:/queue/h\n\\c\\n\\r\\\\:\\c\\n\\r\\\\".to_owned());
    frames
}

fn losses(gateway: &TestServer) -> u64 {
    let status = gateway.gateway.as_ref().unwrap().status();
    status.connections[0].losses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs rabbitmq-server"]
async fn no_frame_ends_a_shared_connection() {
    let rabbit = Rabbit::start().unwrap();
    let mut pooled = config(
        GatewayMode::Pooled,
        &[([127, 0, 0, 1], rabbit.port()).into()],
    );
    pooled.kind = UpstreamKind::Rabbitmq;
    pooled.login = Some("guest".into());
    pooled.passcode = Some("guest".into());
    let gateway = with(pooled).await;
    let mut innocent = gateway.client("1.2").await;
    innocent
        .done(
            "SUBSCRIBE\nid:1\ndestination:/queue/innocent\nack:client",
            "",
        )
        .await;
    for frame in frames() {
        let mut hostile = gateway.client("1.2").await;
        hostile.send(&format!("{frame}\nreceipt:r\n\n\0")).await;
        // It is taken or refused; RabbitMQ's own silence would be one of a receipt.
        timeout(LIMIT, async {
            while let Some(answer) = hostile.try_frame().await {
                if answer.starts_with("ERROR\n") || header(&answer, "receipt-id") == Some("r") {
                    break;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no answer to {frame:?}"));
        drop(hostile);
        innocent
            .send("SEND\ndestination:/queue/innocent\n\nstill here\0")
            .await;
        let message = innocent.message("still here").await;
        let ack = header(&message, "ack").unwrap();
        innocent.done(&format!("ACK\nid:{ack}"), "").await;
        assert_eq!(losses(&gateway), 0, "{frame:?}");
    }
    gateway.stop().await;
}
