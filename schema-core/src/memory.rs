//! What values take in memory, about: for whoever bounds what it keeps by bytes.

/// What an allocation of so many bytes takes, about: allocators have sizes, eight bytes apart where they are small and
/// up to a quarter apart where they are not.
#[must_use]
pub fn allocated(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 8).next_multiple_of(8)
}
