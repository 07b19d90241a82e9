//! Long lists, while messages flow.

mod common;
#[path = "common/http.rs"]
mod http;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use common::TestServer;
use http::{Http, with_admin};
use stompbox_server::Config;

const DESTINATIONS: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ten_thousand_destinations_come_in_pages_while_messages_flow() {
    let server = TestServer::with(with_admin(Config::default())).await;
    let http = Http::new(server.admin);
    let mut ann = server.client("1.2").await;
    for chunk in 0..100 {
        let mut frames = String::new();
        for number in 0..DESTINATIONS / 100 {
            let number = chunk * (DESTINATIONS / 100) + number;
            let kind = if number.is_multiple_of(2) {
                "queue"
            } else {
                "topic"
            };
            frames += &format!("SEND\ndestination:/{kind}/d.{number:05}\n\nx\0");
        }
        ann.settled(&frames).await;
    }
    // A producer and its consumer, all the while.
    let (stop, flowed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let flow = {
        let (stop, flowed) = (Arc::clone(&stop), Arc::clone(&flowed));
        ann.send("SUBSCRIBE\nid:s\ndestination:/queue/flow\n\n\0")
            .await;
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                ann.send("SEND\ndestination:/queue/flow\n\nflow\0").await;
                ann.message("flow").await;
                flowed.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for sort in ["name", "depth", "rate"] {
        let before = flowed.load(Ordering::Relaxed);
        let (mut seen, mut count, mut after) = (BTreeSet::new(), 0, String::new());
        loop {
            let path = format!("/api/v1/destinations?pattern=/*/d.*&limit=1000&sort={sort}{after}");
            let page = http.get(&path).await.ok();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 1000);
            count += items.len();
            seen.extend(
                items
                    .iter()
                    .map(|it| it["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        // Rates change between the pages, so that one may be in two or none of them.
        if sort != "rate" {
            assert_eq!((count, seen.len()), (DESTINATIONS, DESTINATIONS), "{sort}");
        }
        assert!(
            flowed.load(Ordering::Relaxed) > before,
            "messages flow meanwhile"
        );
    }
    let overview = http.get("/api/v1/overview").await.ok();
    assert_eq!(overview["messages"]["stored"], DESTINATIONS / 2);
    let metrics = http.get("/metrics").await.body;
    let labelled = metrics
        .lines()
        .filter(|it| it.starts_with("stompbox_destination_depth{"));
    assert_eq!(labelled.count(), 100);
    stop.store(true, Ordering::Relaxed);
    flow.await.unwrap();
    server.stop().await;
}
