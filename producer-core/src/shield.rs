//! Calls code of users, whose panics harm nobody else.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls this; answers whether it panicked.
pub(crate) fn panics(call: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return false };
    // What it panicked with may itself panic when it is dropped.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_panics_with_may_panic_itself() {
        struct Explosive;
        impl Drop for Explosive {
            fn drop(&mut self) {
                std::panic::panic_any(Explosive);
            }
        }

        assert!(panics(|| std::panic::panic_any(Explosive)));
        assert!(!panics(|| ()));
    }
}
