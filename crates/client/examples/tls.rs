//! Connects within TLS, to a server whose root is in a file.
//!
//! cargo run --features tls --example tls -- stomp+tls://localhost:61612 ca.pem

use stompbox::{ConnectOptions, TlsOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "stomp+tls://localhost:61612".into());
    let mut options = ConnectOptions::new(&url);
    if let Some(root) = args.next() {
        options = options.tls(TlsOptions::new().roots_file(root));
    }
    let client = options.connect().await?;
    client.send("/queue/test").body("secret").receipt().await?;
    println!("sent within TLS");
    Ok(())
}
