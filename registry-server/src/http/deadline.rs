//! Waiting with a limit, without a timer for what is there at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// The result of a future, or `None` when it takes longer than `limit`.
///
/// Most requests are answered from memory the first time that they are asked; setting up a timer would cost them more
/// than looking for the answer does.
pub(super) async fn within<F: Future + Unpin>(limit: Duration, mut future: F) -> Option<F::Output> {
    let first = poll_fn(|context| Poll::Ready(Pin::new(&mut future).poll(context))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, future).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_there_at_once_has_no_limit_and_what_never_comes_has_one() {
        let limit = Duration::from_millis(1);

        assert_eq!(within(Duration::ZERO, std::future::ready(7)).await, Some(7));
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
        assert_eq!(within(Duration::from_secs(60), Box::pin(tokio::task::yield_now())).await, Some(()));
    }
}
