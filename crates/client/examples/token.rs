//! Logs in with a token that is fetched anew for each attempt to connect.
//!
//! cargo run --example token -- stomp://localhost:61613

use stompbox::{BoxError, ConnectOptions, Credentials};

/// Asks whoever gives out tokens.
async fn fetch_token() -> Result<String, BoxError> {
    Ok("t0ken".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = ConnectOptions::new(url.as_deref().unwrap_or("stomp://localhost:61613"))
        .credentials(|| async { Ok(Credentials::new("ann", fetch_token().await?)) })
        .connect()
        .await?;
    println!(
        "logged in at {}",
        client.connected_header("server").unwrap_or_default()
    );
    Ok(())
}
