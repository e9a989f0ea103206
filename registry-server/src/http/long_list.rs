//! `LongList`: a JSON array of any length, sent in pieces as it is made. Of the list nothing is held but the piece.

use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::stream::{self, LocalBoxStream};
use schema_core::error_code::ApiError;
use serde::Serialize;

use super::error::HttpError;
use super::{Answer, Call, deadline};

/// A piece is sent once it has so many bytes; a list that ends before is one whole answer.
const PIECE_BYTES: usize = 64 << 10;

/// What follows the first piece of an answer.
pub(super) type Rest = LocalBoxStream<'static, Result<Bytes, HttpError>>;

/// Where the items of a list come from.
pub(super) trait Items: 'static {
    /// Adds some of the next items. Nothing is left after [`More::No`].
    async fn add_to(&mut self, array: &mut Array) -> Result<More, HttpError>;
}

/// Whether a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    No,
    Yes,
}

/// The text of an array as far as it has not been sent.
#[derive(Debug, Default)]
pub(super) struct Array {
    json: Vec<u8>,
    is_begun: bool,
}

impl Array {
    /// Adds an item.
    pub(super) fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), HttpError> {
        self.json.push(if self.is_begun { b',' } else { b'[' });
        self.is_begun = true;
        serde_json::to_writer(&mut self.json, item).map_err(|_| ApiError::internal().into())
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.json).into()
    }

    fn finish(&mut self) -> Bytes {
        self.json.extend_from_slice(if self.is_begun { b"]" } else { b"[]" });
        self.take()
    }
}

/// A list on its way.
struct LongList<I> {
    items: I,
    array: Array,
    more: More,
}

impl<I: Items> LongList<I> {
    /// The next piece.
    async fn piece(&mut self) -> Result<Bytes, HttpError> {
        while self.array.json.len() < PIECE_BYTES {
            if self.items.add_to(&mut self.array).await? == More::No {
                self.more = More::No;
                return Ok(self.array.finish());
            }
        }
        Ok(self.array.take())
    }

    /// The pieces that follow. Each has the time of a request: how long all take is for the client to say.
    fn rest(self, piece_timeout: Duration) -> Rest {
        Box::pin(stream::try_unfold(self, move |mut list| async move {
            if list.more == More::No {
                return Ok(None);
            }
            let piece = deadline::within(piece_timeout, Box::pin(list.piece())).await;
            let piece = piece.ok_or_else(HttpError::request_timeout)??;
            Ok(Some((piece, list)))
        }))
    }
}

/// The answer that lists these items: its first piece, the call gets the others.
pub(super) async fn answer<I: Items>(call: &Call<'_>, items: I) -> Answer {
    let mut list = LongList { items, array: Array::default(), more: More::Yes };
    let first = list.piece().await?;
    if list.more == More::Yes {
        call.rest.set(Some(list.rest(call.piece_timeout)));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    /// Numbers from 0, a hundred at a time.
    struct Numbers {
        next: u32,
        end: u32,
    }

    impl Items for Numbers {
        async fn add_to(&mut self, array: &mut Array) -> Result<More, HttpError> {
            let end = self.end.min(self.next + 100);
            for number in self.next..end {
                array.push(&number)?;
            }
            self.next = end;
            Ok(if end == self.end { More::No } else { More::Yes })
        }
    }

    #[tokio::test]
    async fn the_pieces_are_one_array_and_none_of_them_is_large() {
        for (end, pieces_min) in [(0, 1), (1, 1), (99, 1), (100, 1), (101, 1), (50_000, 4)] {
            let list = LongList { items: Numbers { next: 0, end }, array: Array::default(), more: More::Yes };

            let pieces: Vec<Bytes> = list.rest(Duration::from_secs(60)).try_collect().await.unwrap();

            let numbers: Vec<u32> = serde_json::from_slice(&pieces.concat()).unwrap();
            assert_eq!(numbers, (0..end).collect::<Vec<_>>());
            assert!(pieces.len() >= pieces_min, "{end}: {}", pieces.len());
            assert!(pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 1000), "{end}");
        }
    }
}
