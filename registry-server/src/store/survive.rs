//! Background tasks go on after a panic: one broken step must not end what everything else waits for.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

/// Runs one step of a task; `None` when it panicked, which has been printed where it happened. Whatever the step was
/// changing is in doubt then.
pub(super) async fn survive<T>(task: &'static str, step: impl Future<Output = T>) -> Option<T> {
    let outcome = AssertUnwindSafe(step).catch_unwind().await;
    if outcome.is_err() {
        tracing::error!("a step of the {task} panicked, which is a bug; the {task} goes on");
    }
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_step_alone() {
        assert_eq!(survive("test", async { 1 }).await, Some(1));
        assert_eq!(survive::<()>("test", async { panic!("a bug") }).await, None);
    }
}
