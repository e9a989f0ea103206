//! `/associations`: subjects bound to topics. There are none here yet, and serializers take an empty list for that.

use futures_util::future::LocalBoxFuture;

use super::{Answer, Call, json};

/// The associations of a subject or a resource.
pub(crate) fn list<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { json::<[(); 0]>(&[]) })
}
