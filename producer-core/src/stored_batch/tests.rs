use bytes::{BufMut as _, Bytes, BytesMut};
use proptest::prelude::*;

use super::{BatchError, BatchHeader, CRC_START, DecompressError, HEADER_BYTES, LENGTH_END, decode};

const BYTES_MAX: usize = 1 << 20;

/// A batch with these records and a right CRC; nothing else is checked.
fn batch(count: i32, attributes: i16, records: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i64(0);
    bytes.put_i32(i32::try_from(HEADER_BYTES - LENGTH_END + records.len()).unwrap());
    bytes.put_i32(-1);
    bytes.put_i8(2);
    bytes.put_u32(0);
    bytes.put_i16(attributes);
    bytes.put_i32(count - 1);
    bytes.put_i64(1_000);
    bytes.put_i64(1_000);
    bytes.put_i64(-1);
    bytes.put_i16(-1);
    bytes.put_i32(-1);
    bytes.put_i32(count);
    bytes.put_slice(records);
    seal(bytes)
}

fn seal(mut bytes: BytesMut) -> Bytes {
    let crc = crc32c::crc32c(&bytes[CRC_START..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

/// Length, attributes, timestamp delta 0, offset delta 0, key `k`, null value, then headers.
const ONE_RECORD: &[u8] = &[14, 0, 0, 0, 2, b'k', 1, 0];
/// The same with headers `h` = `1`, `h` = null.
const WITH_HEADERS: &[u8] = &[28, 0, 0, 0, 2, b'k', 1, 4, 2, b'h', 2, b'1', 2, b'h', 1];

#[test]
fn repeated_header_keys_are_kept() {
    let records = decode(&batch(1, 0, WITH_HEADERS), BYTES_MAX).unwrap();

    let headers: Vec<_> =
        records[0].headers.iter().map(|header| (header.key.as_str(), header.value.as_deref())).collect();
    assert_eq!(headers, [("h", Some(&b"1"[..])), ("h", None)]);
    assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b"k"[..]), None));
}

#[test]
fn a_cut_or_altered_batch_is_an_error() {
    let whole = batch(1, 0, ONE_RECORD);
    for length in 0..whole.len() {
        let error = decode(&whole.slice(..length), BYTES_MAX).unwrap_err();
        assert!(matches!(error, BatchError::CutShort { .. }), "{length}: {error}");
    }
    for index in CRC_START..whole.len() {
        let mut altered = BytesMut::from(&whole[..]);
        altered[index] ^= 1;
        let error = decode(&altered.freeze(), BYTES_MAX).unwrap_err();
        assert!(matches!(error, BatchError::Crc { .. }), "{index}: {error}");
    }
}

#[test]
fn lengths_and_counts_are_not_trusted() {
    let at = |index, reason| BatchError::Record { index, reason };
    let rows: [(&str, Bytes, BatchError); 9] = [
        ("2^31-1 records", batch(i32::MAX, 0, ONE_RECORD), BatchError::Count { count: i32::MAX, body_bytes: 8 }),
        ("-1 records", batch(-1, 0, ONE_RECORD), BatchError::Count { count: -1, body_bytes: 8 }),
        ("fewer records than said", batch(2, 0, &[ONE_RECORD, &[0; 7]].concat()), at(1, "too short")),
        ("more bytes than records", batch(1, 0, &[ONE_RECORD, &[0; 7]].concat()), BatchError::TrailingBytes(7)),
        ("a record longer than the batch", batch(1, 0, &[100, 0, 0, 0, 1, 1, 0]), at(0, "length exceeds the batch")),
        ("a negative length", batch(1, 0, &[13, 0, 0, 0, 1, 1, 0]), at(0, "length is negative")),
        (
            "2^31-1 headers",
            batch(1, 0, &[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]),
            at(0, "header count exceeds the record"),
        ),
        // Ten bytes that mean 0; the decoder behind the check would stop after five and read on in the middle.
        (
            "an overlong varint",
            batch(1, 0, &[30, 0, 0, 0, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
            at(0, "varint too long"),
        ),
        (
            "a key longer than the record",
            batch(1, 0, &[14, 0, 0, 0, 100, b'k', 1, 0]),
            at(0, "key length out of range"),
        ),
    ];
    for (name, bytes, expected) in rows {
        assert_eq!(decode(&bytes, BYTES_MAX), Err(expected), "{name}");
    }
}

#[test]
fn a_timestamp_that_overflows_is_an_error() {
    let mut record = vec![30, 0];
    record.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    record.extend([0, 1, 1, 0]);

    let expected = BatchError::Record { index: 0, reason: "timestamp out of range" };
    assert_eq!(decode(&batch(1, 0, &record), BYTES_MAX), Err(expected));
}

#[test]
fn many_records_in_few_bytes_are_refused() {
    let count = super::BATCH_ITEMS_MAX + 1;
    let records = [12, 0, 0, 0, 1, 1, 0].repeat(count);

    let error = decode(&batch(i32::try_from(count).unwrap(), 0, &records), records.len()).unwrap_err();

    assert_eq!(error, BatchError::TooManyItems);
}

#[test]
fn what_does_not_decompress_says_why() {
    let error = |attributes, bytes_max| decode(&batch(1, attributes, ONE_RECORD), bytes_max).unwrap_err();

    assert_eq!(error(5, BYTES_MAX), BatchError::Decompress(DecompressError::UnknownCodec(5)));
    assert_eq!(error(0, 3), BatchError::Decompress(DecompressError::TooLarge(3)));
    assert!(matches!(error(1, BYTES_MAX), BatchError::Decompress(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_records_give_records_or_an_error(
        count in prop_oneof![0_i32..4, any::<i32>()],
        attributes in 0_i16..64,
        records in prop::collection::vec(prop_oneof![3 => 0_u8..20, 1 => any::<u8>()], 0..200),
    ) {
        let count = count.max(i32::MIN + 1);
        if let Ok(decoded) = decode(&batch(count, attributes, &records), BYTES_MAX) {
            prop_assert_eq!(i32::try_from(decoded.len()).unwrap(), count);
        }
    }

    #[test]
    fn any_bytes_give_a_header_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(header) = BatchHeader::parse(&bytes) {
            prop_assert!(header.batch_bytes <= bytes.len());
        }
    }
}
