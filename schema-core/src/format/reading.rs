//! What reading a text takes, in the steps that comparisons are counted in.

/// What is made of a text.
///
/// Reading and comparing are counted in one unit, so that one budget bounds them together; see
/// [`Comparison::steps`](crate::compatibility::Comparison::steps). Where schemas are such as people write, a step of
/// reading takes half to twice as long as one of comparing, and some times as long where a text is made to be read
/// slowly: `cargo bench -p schema-core --bench compatibility -- steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Parsed, with the texts that it refers to.
    Parsed,
    /// Brought into normal form: parsed, printed, and parsed again.
    Normalized,
    /// Brought into [`likeness_text`](super::SchemaFormat::likeness_text), and hashed.
    Likeness,
}

impl Reading {
    /// Steps for so many bytes, those that the text refers to included.
    #[must_use]
    pub fn steps(self, bytes: usize) -> u32 {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self {
            Self::Parsed => bytes.div_ceil(2),
            Self::Normalized => bytes.div_ceil(2).saturating_mul(3),
            Self::Likeness => bytes.div_ceil(8),
        }
    }
}
