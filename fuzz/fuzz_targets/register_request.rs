//! The body of `POST /subjects/{subject}/versions`, from any client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema_core::wire::{RegisterRequest, read_request};

fuzz_target!(|body: &[u8]| {
    // Any bytes give a request or an error, within memory in proportion to the body.
    let _ = read_request::<RegisterRequest>(body);
});
