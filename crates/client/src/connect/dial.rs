//! Sockets, and what is laid over them.

use std::io;

use tokio::net::TcpStream;

use super::Connector;
use crate::{
    ConnectError,
    options::{Place, Server},
    transport::{Io, Stream, Transport},
};

impl Connector {
    /// Opens a transport to a server.
    pub(super) async fn open(&self, server: &Server) -> Result<Box<dyn Transport>, ConnectError> {
        let io = self.socket(&server.place).await?;
        let io = if server.tls {
            self.secure(io, server.place.host(), &server.place.to_string())
                .await?
        } else {
            io
        };
        #[cfg(feature = "ws")]
        if let Some(uri) = &server.websocket {
            return self.upgrade(io, uri, &server.place).await;
        }
        Ok(Box::new(Stream::new(io)))
    }

    async fn socket(&self, place: &Place) -> Result<Box<dyn Io>, ConnectError> {
        match place {
            Place::Tcp(host, port) => {
                #[cfg(feature = "proxy")]
                if let Some(proxy) = self.proxy_for(host) {
                    return self.by_proxy(proxy, host, *port).await;
                }
                tcp(host, *port).await
            }
            #[cfg(unix)]
            Place::Unix(path) => match tokio::net::UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(source) => Err(ConnectError::Io {
                    address: path.clone(),
                    source,
                }),
            },
            #[cfg(not(unix))]
            Place::Unix(path) => Err(ConnectError::Io {
                address: path.clone(),
                source: io::ErrorKind::Unsupported.into(),
            }),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) async fn secure(
        &self,
        io: Box<dyn Io>,
        host: &str,
        address: &str,
    ) -> Result<Box<dyn Io>, ConnectError> {
        let failed = |source| ConnectError::Tls {
            address: address.to_owned(),
            source,
        };
        let name = self.options.tls.name(host).map_err(failed)?;
        self.secure_as(io, name, address).await
    }

    /// TLS with whoever has that name.
    #[cfg(feature = "tls")]
    pub(super) async fn secure_as(
        &self,
        io: Box<dyn Io>,
        name: rustls::pki_types::ServerName<'static>,
        address: &str,
    ) -> Result<Box<dyn Io>, ConnectError> {
        let failed = |source| ConnectError::Tls {
            address: address.to_owned(),
            source,
        };
        let config = self
            .tls
            .clone()
            .ok_or_else(|| failed("no options".into()))?;
        let connect = tokio_rustls::TlsConnector::from(config).connect(name, io);
        let stream = connect.await.map_err(|error| failed(error.into()))?;
        Ok(Box::new(stream))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "as with the feature tls")]
    pub(super) async fn secure(
        &self,
        _: Box<dyn Io>,
        _: &str,
        address: &str,
    ) -> Result<Box<dyn Io>, ConnectError> {
        Err(ConnectError::Tls {
            address: address.to_owned(),
            source: "it takes the feature \"tls\" of stompbox".into(),
        })
    }

    #[cfg(feature = "ws")]
    async fn upgrade(
        &self,
        io: Box<dyn Io>,
        uri: &http::Uri,
        place: &Place,
    ) -> Result<Box<dyn Transport>, ConnectError> {
        use http::{HeaderName, HeaderValue};
        use tokio_websockets::{ClientBuilder, Config, Limits};

        /// A longer message is fragmented: Artemis takes no longer frames.
        const FRAME: usize = 64 << 10;

        let failed = |source| ConnectError::WebSocket {
            address: place.to_string(),
            source,
        };
        let offered = self.subprotocols();
        let offer = HeaderValue::from_str(&offered.join(", "));
        let offer = offer.map_err(|error| failed(error.into()))?;
        let protocol = HeaderName::from_static("sec-websocket-protocol");
        let longest = self.options.limits.head + self.options.limits.body + 1;
        let mut builder = ClientBuilder::from_uri(uri.clone())
            .limits(Limits::default().max_payload_len(Some(longest)))
            .config(Config::default().frame_size(FRAME))
            .add_header(protocol.clone(), offer)
            .map_err(|error| failed(error.into()))?;
        for (name, value) in &self.options.http_headers {
            builder = builder
                .add_header(name.clone(), value.clone())
                .map_err(|error| failed(format!("{name}: {error}").into()))?;
        }
        let connected = builder.connect_on(io).await;
        let (socket, response) = connected.map_err(|error| failed(error.into()))?;
        // RFC 6455, 4.1: one that was not offered fails the connection.
        if let Some(chosen) = response.headers().get(protocol)
            && !offered.iter().any(|protocol| chosen == *protocol)
        {
            let problem = format!("it chose the sub-protocol {chosen:?}, which was not offered");
            return Err(failed(problem.into()));
        }
        let split = self.options.split;
        Ok(Box::new(crate::transport::WebSocket::new(socket, split)))
    }
}

/// Opens a TCP connection.
pub(super) async fn tcp(host: &str, port: u16) -> Result<Box<dyn Io>, ConnectError> {
    let connect = async {
        let stream = TcpStream::connect((host, port)).await?;
        // Frames are written as many as there are; waiting for more of them only delays.
        stream.set_nodelay(true)?;
        Ok::<_, io::Error>(stream)
    };
    match connect.await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(source) => Err(ConnectError::Io {
            address: Place::Tcp(host.to_owned(), port).to_string(),
            source,
        }),
    }
}
