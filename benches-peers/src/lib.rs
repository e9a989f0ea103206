//! Side-by-side benchmarks: parsers in `benches/`, Kafka producers in `producers/`.

pub mod load;
