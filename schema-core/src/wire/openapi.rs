//! What of the bodies' description cannot be derived.

use std::borrow::Cow;

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Config, ConfigUpdate};

/// The settings of [`Config`], any of them `null`, and the level under its other key.
impl PartialSchema for ConfigUpdate {
    fn schema() -> RefOr<Schema> {
        let mut schema = Config::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.description = Some("Settings to change, or what is set after the change.".to_owned());
            if let Some(level) = object.properties.remove("compatibilityLevel") {
                object.properties.insert("compatibility".to_owned(), level);
            }
        }
        schema
    }
}

impl ToSchema for ConfigUpdate {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ConfigUpdate")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Config::schemas(schemas);
    }
}
