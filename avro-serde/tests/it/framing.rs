//! The byte table of `framing.rs`, with bytes from Confluent's documentation and its Java serializer.

use avro_serde::framing::{Field, Frame, FrameError, Guid};
use avro_serde::{SchemaId, SchemaKey};

const GUID: &str = "86507789-4c0d-5897-e12e-374202e6b8f6";

fn guid() -> Guid {
    GUID.parse().unwrap()
}

#[test]
fn golden_bytes_are_written_and_read() {
    let table: [(SchemaKey, &[u8]); 4] = [
        (SchemaKey::Id(SchemaId(1)), &[0, 0, 0, 0, 1]),
        (SchemaKey::Id(SchemaId(0x0102_0304)), &[0, 1, 2, 3, 4]),
        (SchemaKey::Id(SchemaId(i32::MAX as u32)), &[0, 0x7f, 0xff, 0xff, 0xff]),
        (
            SchemaKey::Guid(guid()),
            &[1, 0x86, 0x50, 0x77, 0x89, 0x4c, 0x0d, 0x58, 0x97, 0xe1, 0x2e, 0x37, 0x42, 0x02, 0xe6, 0xb8, 0xf6],
        ),
    ];

    for (key, prefix) in table {
        let mut bytes = Vec::new();
        key.write_prefix(&mut bytes);
        assert_eq!(bytes, prefix, "{key}");

        assert_eq!(Frame::parse_header(&bytes, b"datum"), Ok(Frame { schema: key, payload: b"datum" }));
        bytes.extend_from_slice(b"datum");
        assert_eq!(Frame::parse(&bytes), Ok(Frame { schema: key, payload: b"datum" }));
    }
}

#[test]
fn an_empty_datum_after_a_prefix_is_legal() {
    assert_eq!(Frame::parse(&[0, 0, 0, 0, 7]).unwrap().payload, b"");
}

#[test]
fn every_cut_prefix_is_truncated() {
    let whole_id = [0, 0, 0, 0, 7];
    for length in 0..5 {
        assert_eq!(Frame::parse(&whole_id[..length]), Err(FrameError::Truncated { needed: 5, found: length }));
    }
    let whole_guid = [1; 17];
    for length in 1..17 {
        assert_eq!(Frame::parse(&whole_guid[..length]), Err(FrameError::Truncated { needed: 17, found: length }));
    }
}

#[test]
fn other_bytes_are_told_apart() {
    let table: [(&[u8], &str); 5] = [
        (&[2, 0, 0, 0, 1, 0], "no schema registry framing"),
        (br#"{"a": 1}"#, "JSON text"),
        (&[0xC3, 0x01, 0, 0, 0, 0], "Avro's single-object encoding"),
        (b"Obj\x01....", "an Avro container file"),
        (&[0xff], "no schema registry framing"),
    ];

    for (bytes, expected) in table {
        let Err(FrameError::UnknownMagic { magic, looks_like }) = Frame::parse(bytes) else { panic!("{bytes:?}") };
        assert_eq!((magic, looks_like), (bytes[0], expected));
    }
}

#[test]
fn negative_ids_and_long_headers_are_refused() {
    assert_eq!(Frame::parse(&[0, 0xff, 0xff, 0xff, 0xff]), Err(FrameError::NegativeId { id: -1 }));
    assert_eq!(Frame::parse_header(&[0, 0, 0, 0, 1, 0], b""), Err(FrameError::OverlongHeader { found: 6 }));
    assert_eq!(Frame::parse_header(&[], b""), Err(FrameError::Truncated { needed: 5, found: 0 }));
}

#[test]
fn guids_print_as_they_are_read() {
    assert_eq!(guid().to_string(), GUID);
    assert_eq!(GUID.to_uppercase().parse(), Ok(guid()));
    for malformed in ["", "865077894c0d5897e12e374202e6b8f6", "86507789-4c0d-5897-e12e-374202e6b8fg", &GUID[1..]] {
        assert!(malformed.parse::<Guid>().is_err(), "{malformed}");
    }
    // Characters of several bytes do not split.
    assert!("é6507789-4c0d-5897-e12e-374202e6b8f".parse::<Guid>().is_err());
}

#[test]
fn any_bytes_give_a_frame_or_an_error() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.usize(0..24)).map(|_| random.u8(0..4) * random.u8(0..64)).collect();
        let _ = Frame::parse(&bytes);
        let _ = Frame::parse_header(&bytes, b"");
    }
}

#[test]
fn each_half_of_a_record_has_its_header() {
    assert_eq!((Field::Key.header(), Field::Value.header()), ("__key_schema_id", "__value_schema_id"));
}
