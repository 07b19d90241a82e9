//! `stompbox browse`.

use std::io::stdout;

use futures_util::StreamExt as _;

use crate::{
    args::Browse,
    exit::{Exit, Failure, NOTHING, USAGE},
    render::Printer,
    target::connect,
};

/// Prints a queue's messages, and leaves them there.
pub(crate) async fn run(args: Browse) -> Result<(), Failure> {
    let mut printer = Printer::new(args.output, None, args.headers_only)?;
    let client = connect(&args.connect).await?;
    let server = client.connected_header("server").unwrap_or_default();
    // Others take no notice of the header, and would hand the messages out for good.
    let can_browse = ["stompbox/", "ActiveMQ/", "apache-apollo/"]
        .iter()
        .any(|name| server.starts_with(name));
    if !can_browse {
        let server = match server.is_empty() {
            true => "this server".to_owned(),
            false => server,
        };
        let text =
            format!("{server} is not known to let queues be browsed: it could take the messages");
        return Err(Exit::failure(USAGE, text));
    }
    let mut subscribe = client
        .subscribe(&args.destination)
        .header("browser", "true");
    if let Some(selector) = &args.selector {
        subscribe = subscribe.header("selector", selector);
    }
    let mut messages = subscribe.await?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let next = tokio::select! {
            next = messages.next() => next,
            _ = tokio::signal::ctrl_c() => return Err(Exit::interrupted()),
        };
        let Some(message) = next else {
            return Err("the connection has ended".into());
        };
        let message = message?;
        if message.header("browser") == Some("end") {
            break;
        }
        printer.print(&mut stdout().lock(), &message)?;
        seen += 1;
    }
    drop(messages);
    client.disconnect().await?;
    match seen {
        0 => Err(Exit::failure(NOTHING, "there is no message")),
        _ => Ok(()),
    }
}
