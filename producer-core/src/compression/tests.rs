use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// More than any test's plain bytes.
const PLENTY: usize = 64 * 1024 * 1024;

/// Every codec, at its default level.
const CODECS: [Compression; 4] = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn compressors(compression: Compression, level: i32) -> Compressors {
    let mut config = ProducerConfig::new("broker:9092");
    config.compression = compression;
    (config.gzip_level, config.lz4_level, config.zstd_level) = (level, level, level);
    Compressors::new(&config)
}

fn default_level(compression: Compression) -> i32 {
    ProducerConfig { compression, ..ProducerConfig::default() }.compression_level()
}

/// Text that repeats itself in part, the way records do.
fn text(bytes: usize) -> Vec<u8> {
    let line =
        |number: usize| format!(r#"{{"id":{number},"carrier":"U{}","delay":{}}},"#, number % 7, number * 7919 % 331);
    (0..).flat_map(|number| line(number).into_bytes()).take(bytes).collect()
}

/// Bytes without any pattern, the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(bytes).collect()
}

fn check_round_trip(compressors: &Compressors, plain: &[u8], about: &str) -> Option<usize> {
    let (compressed, attributes) = compressors.compress(plain)?;
    assert!(compressed.len() < plain.len(), "{about}");
    let read = decompress(attributes, &compressed, plain.len()).unwrap_or_else(|error| panic!("{about}: {error}"));
    assert!(read == plain, "{about}: {} bytes came back as {} others", plain.len(), read.len());
    Some(compressed.len())
}

#[test]
fn every_codec_and_level_gives_back_what_it_took() {
    let levels = |compression| match compression {
        Compression::Gzip => [-1].into_iter().chain(1..=9).collect(),
        Compression::Lz4 => (1..=17).collect(),
        Compression::Zstd => vec![-131_072, -5, 1, 3, 9, 19, 22],
        _ => vec![0],
    };
    let mixed = [text(30_000), noise(140_000), text(30_000)].concat();
    for compression in CODECS {
        for level in levels(compression) {
            let compressors = compressors(compression, level);
            for plain in [&text(200), &text(32 * 1024), &text(64 * 1024), &text(100_001), &mixed, &vec![0; 1_000_000]] {
                let about = format!("{compression:?} at {level}, {} bytes", plain.len());
                let compressed = check_round_trip(&compressors, plain, &about);
                // Zstd at its fastest finds nothing in a short text.
                assert!(compressed.is_some() || level == -131_072, "{about}");
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_left_alone() {
    for compression in CODECS {
        let compressors = compressors(compression, default_level(compression));
        for plain in [&b""[..], b"short", &noise(100_000)] {
            assert!(compressors.compress(plain).is_none(), "{compression:?}: {} bytes", plain.len());
        }
    }
}

#[test]
fn a_stretch_of_noise_costs_its_own_bytes_and_little_more() {
    let plain = noise(1_000_000);
    let high = [(Compression::Lz4, 1)];
    for (compression, level) in
        CODECS.map(|compression| (compression, default_level(compression))).into_iter().chain(high)
    {
        let mut compressor = Compressor::new(compression, level).unwrap();
        assert!(compressor.compress(&plain).is_none(), "{compression:?}");

        let grown = compressor.out.len() - plain.len();
        assert!(grown < 1000, "{compression:?} at {level}: {grown} bytes more");
    }
}

#[test]
fn levels_trade_time_for_bytes() {
    let plain = text(64 * 1024);
    let bytes = |compression, level| check_round_trip(&compressors(compression, level), &plain, "levels").unwrap();

    assert!(bytes(Compression::Gzip, 9) < bytes(Compression::Gzip, 1));
    assert_eq!(bytes(Compression::Gzip, -1), bytes(Compression::Gzip, 6));
    assert!(bytes(Compression::Zstd, 19) < bytes(Compression::Zstd, 1));
    let lz4: Vec<usize> = [1, 4, 8, 12, 17].map(|level| bytes(Compression::Lz4, level)).to_vec();
    assert!(lz4.is_sorted_by(|less, more| less >= more), "{lz4:?}");
    assert!(lz4[4] < bytes(Compression::Lz4, 9), "level 9 is the fast one");
}

#[test]
fn frames_begin_as_javas_do() {
    let headers: [(Compression, &[u8]); 4] = [
        (Compression::Gzip, &[0x1f, 0x8b, 8, 0]),
        (Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"),
        (Compression::Lz4, &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]),
        (Compression::Zstd, &[0x28, 0xb5, 0x2f, 0xfd]),
    ];
    for (compression, header) in headers {
        let (compressed, _) = compressors(compression, default_level(compression)).compress(&text(5000)).unwrap();
        assert!(compressed.starts_with(header), "{compression:?}: {:02x?}", &compressed[..16]);
    }
}

#[test]
fn a_compressor_is_used_again() {
    let compressors = compressors(Compression::Zstd, 3);
    for _ in 0..3 {
        check_round_trip(&compressors, &text(10_000), "again").unwrap();
        assert_eq!(compressors.lock().len(), 1);
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    const LIMIT: usize = 1 << 20;
    for compression in CODECS {
        let (bomb, codec) =
            compressors(compression, default_level(compression)).compress(&vec![0; 16 * LIMIT]).unwrap();
        assert!(bomb.len() < LIMIT, "{compression:?} is no bomb: {} bytes", bomb.len());

        assert_eq!(decompress(codec, &bomb, LIMIT), Err(DecompressError::TooLarge(LIMIT)), "{compression:?}");
        assert_eq!(decompress(codec, &bomb, 16 * LIMIT).unwrap().len(), 16 * LIMIT, "{compression:?}");
    }
}

#[test]
fn a_snappy_block_is_not_believed() {
    // 2^32 - 1 bytes, says the block.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
    let framed = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07"[..], &claim].concat();
    for compressed in [claim.to_vec(), framed] {
        assert_eq!(decompress(2, &Bytes::from(compressed), PLENTY), Err(DecompressError::TooLarge(PLENTY)));
    }
}

#[test]
fn a_snappy_block_without_a_frame_is_read() {
    let plain = text(5000);
    let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();

    assert_eq!(decompress(2, &Bytes::from(raw), PLENTY).unwrap(), plain);
}

#[test]
fn several_members_and_frames_are_one_stream() {
    let plain = text(5000);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (once, codec) = compressors(compression, 3).compress(&plain).unwrap();
        let twice = Bytes::from([&once[..], &once].concat());

        assert_eq!(decompress(codec, &twice, PLENTY).unwrap(), [&plain[..], &plain].concat(), "{compression:?}");
    }
}

#[test]
fn what_is_cut_short_or_altered_gives_no_more_than_there_is() {
    let plain = text(3000);
    for compression in CODECS {
        let (whole, codec) = compressors(compression, default_level(compression)).compress(&plain).unwrap();
        for length in 0..whole.len() {
            let read = decompress(codec, &whole.slice(..length), PLENTY);
            assert!(read.is_err() || read.is_ok_and(|read| plain.starts_with(&read)), "{compression:?} {length}");
        }
        for index in 0..whole.len() {
            let mut altered = whole.to_vec();
            altered[index] ^= 0x55;
            // Without a checksum the bytes may be others; what counts is that this ends.
            drop(decompress(codec, &altered.into(), 1 << 20));
        }
    }
}

#[test]
fn a_zstd_frame_with_a_window_above_128_mib_is_refused() {
    // No content size, a window of 2^(10 + n) bytes, and one plain block of one byte.
    let frame = |n: u8| Bytes::from(vec![0x28, 0xb5, 0x2f, 0xfd, 0, n << 3, 0x09, 0, 0, b'x']);

    assert_eq!(decompress(4, &frame(17), PLENTY).unwrap(), "x");
    let refused = decompress(4, &frame(18), PLENTY);

    assert!(matches!(&refused, Err(DecompressError::Broken(why)) if why.contains("memory")), "{refused:?}");
}

#[test]
fn codecs_that_do_not_exist_are_named() {
    for codec in [-1, 5, 6, 7] {
        assert_eq!(decompress(codec, &Bytes::new(), PLENTY), Err(DecompressError::UnknownCodec(codec)));
    }
    for (id, name) in (0..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let codec = Compression::from_wire_id(id).unwrap();
        assert_eq!((codec.wire_id(), codec.name()), (id, name));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_records_come_back(
        pieces in prop::collection::vec((prop::collection::vec(0_u8..4, 1..40), 1_usize..1000), 1..6),
        level in 1_i32..=17,
    ) {
        let plain: Vec<u8> = pieces.into_iter().flat_map(|(piece, times)| piece.repeat(times)).collect();
        for compression in CODECS {
            let level = if compression == Compression::Gzip { level.min(9) } else { level };
            check_round_trip(&compressors(compression, level), &plain, "any");
        }
    }

    #[test]
    fn any_bytes_end_in_bytes_or_an_error(
        codec in 0_i16..8,
        header in prop::sample::select(vec![&b""[..], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", &[4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
            &[0x28, 0xb5, 0x2f, 0xfd], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        if let Ok(plain) = decompress(codec, &[header, &bytes].concat().into(), 1 << 20) {
            prop_assert!(plain.len() <= 1 << 20);
        }
    }
}

/// Says by what it writes whether it ran on the thread of the test.
struct Telling(std::thread::ThreadId);

impl Encoder for Telling {
    fn encode(&mut self, _records: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        out.push(u8::from(std::thread::current().id() == self.0));
        Ok(())
    }
}

#[tokio::test]
async fn what_takes_long_leaves_the_threads_of_the_runtime_alone() {
    let cases = [
        (Compression::Lz4, 9, 16_384, true),
        (Compression::Zstd, 3, 16_384, true),
        (Compression::Gzip, -1, 16_384, true),
        (Compression::Snappy, 0, 1_000_000, false),
        (Compression::Gzip, -1, 100_000, false),
        (Compression::Lz4, 17, 16_384, false),
        (Compression::Zstd, 19, 16_384, false),
    ];
    for (compression, level, bytes, is_here) in cases {
        let compressors = Arc::new(compressors(compression, level));
        let encoder = Box::new(Telling(std::thread::current().id()));
        compressors.lock().push(Compressor { encoder, out: Vec::new() });

        let (told, _) = compressors.compress_aside(&vec![0; bytes].into()).await.unwrap();

        assert_eq!(told[0] == 1, is_here, "{compression:?} at {level}, {bytes} bytes");
    }
}
