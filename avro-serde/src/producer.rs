//! The bridge to the producer: serialises through the registry inside `send`.

use std::sync::Arc;

use producer_core::{Encoded, Headers, SerializeError, Serializer};

use crate::codec::Codec;
use crate::serializer::AvroSerializer;

/// Synchronous once the id for the topic is known; before that, [`Encoded::NotReady`] with the
/// question to the registry, which the producer awaits within `max.block.ms`.
impl<T: ?Sized + 'static, C: Codec<T>> Serializer<T> for AvroSerializer<T, C> {
    fn encode(
        &self,
        topic: &str,
        value: &T,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, SerializeError> {
        let Some(prepared) = self.shared().ready(topic) else {
            let (shared, topic) = (Arc::clone(self.shared()), topic.to_owned());
            return Ok(Encoded::NotReady(Box::pin(async move {
                shared.prepare(&topic).await.map(drop).map_err(SerializeError::from)
            })));
        };
        AvroSerializer::encode(self, &prepared, value, out)?;
        if let Some(header) = self.shared().header(&prepared) {
            // A record that is sent again, or passed on from another topic, may carry one already.
            headers.remove(header.key);
            headers.push(header.key, Some(header.value.into()));
        }
        Ok(Encoded::Done)
    }
}
