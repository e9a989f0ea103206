//! Side-by-side benchmarks; all of it lies in `benches/`.
