//! A page whose front end is Rust. Leptos, Yew and Dioxus programs use the client in the same way:
//! it needs nothing but the page's own event loop.
//!
//! `cargo xtask test` builds it and runs it in Chromium.
#![cfg(target_arch = "wasm32")]

use std::time::Duration;

use futures_util::StreamExt as _;
use stompbox::{AckMode, Client, ConnectOptions, Event, Reconnect};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{Document, HtmlInputElement};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Connects to the URL in the page's own `?url=`, and shows what comes.
#[wasm_bindgen(start)]
pub fn start() {
    wasm_bindgen_futures::spawn_local(async {
        if let Err(error) = run().await {
            show("failed", &error.to_string());
        }
    });
}

async fn run() -> Outcome<()> {
    let url = url().ok_or("the page's address has no ?url=")?;
    let client = ConnectOptions::new(&url)
        .reconnect(Reconnect::default().longest(Duration::from_secs(1)))
        .connect()
        .await?;
    show("status", &format!("connected, STOMP {}", client.version()));
    let mut events = client.events();
    wasm_bindgen_futures::spawn_local(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Connected { .. } => show("status", "connected again"),
                Event::Disconnected { reason } => show("status", &format!("lost: {reason}")),
                _ => {}
            }
        }
    });
    let mut messages = client
        .subscribe("/queue/browser")
        .ack(AckMode::ClientIndividual)
        .await?;
    on_submit(&client)?;
    while let Some(message) = messages.next().await {
        let message = message?;
        if let Some(reply) = message.reply() {
            reply
                .body(format!("the page says {:?}", message.text()))
                .await?;
        }
        let text = match message.text() {
            Some(text) => text.to_owned(),
            None => format!("{} bytes", message.body().len()),
        };
        message.ack().await?;
        show("messages", &text);
    }
    Ok(())
}

/// Sends what is typed, and says when the broker has it.
fn on_submit(client: &Client) -> Outcome<()> {
    let form = document().get_element_by_id("form").ok_or("no form")?;
    let client = client.clone();
    let listener = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
        event.prevent_default();
        let input = document().get_element_by_id("text");
        let Some(input) = input.and_then(|input| input.dyn_into::<HtmlInputElement>().ok()) else {
            return;
        };
        let client = client.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let sent = client
                .send("/queue/browser")
                .body(input.value())
                .receipt()
                .await;
            match sent {
                Ok(()) => show("receipts", &input.value()),
                Err(error) => show("failed", &error.to_string()),
            }
        });
    });
    form.add_event_listener_with_callback("submit", listener.as_ref().unchecked_ref())
        .map_err(|error| format!("{error:?}"))?;
    // The page listens as long as it is there.
    listener.forget();
    Ok(())
}

fn url() -> Option<String> {
    let search = web_sys::window()?.location().search().ok()?;
    let url = search.strip_prefix("?url=")?;
    let url = js_sys::decode_uri_component(url).ok()?;
    JsValue::from(url).as_string()
}

fn document() -> Document {
    let window = web_sys::window().expect("a page has a window");
    window.document().expect("a window has a document")
}

/// Adds a line to a list.
fn show(list: &str, text: &str) {
    let document = document();
    let list = document.get_element_by_id(list);
    if let Some((list, line)) = list.zip(document.create_element("li").ok()) {
        line.set_text_content(Some(text));
        let _ = list.append_child(&line);
    }
}
