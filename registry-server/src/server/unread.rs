//! Clients that do not read their answers. actix waits for them as long as they like, so the operating system ends it.

use std::any::Any;
use std::time::Duration;

use actix_web::rt::net::TcpStream;

/// Ends a connection whose client has taken nothing of what was sent for this long. A client that reads slowly but reads is
/// not meant.
#[cfg(target_os = "linux")]
pub(super) fn cut_off_after(limit: Duration, connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limit)) {
        tracing::debug!(%error, "a connection has no limit for unread answers");
    }
}

/// Elsewhere there is no such setting of a socket.
#[cfg(not(target_os = "linux"))]
pub(super) fn cut_off_after(_limit: Duration, _connection: &dyn Any) {}
