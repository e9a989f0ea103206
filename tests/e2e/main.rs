//! e2e.
#[test]
fn builds() {}
