//! What fields of an entry look like in JSON, for OpenAPI.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema,
};
use utoipa::{PartialSchema, ToSchema};

use crate::JsonBytes;

/// An object where names are unique and all is UTF-8, else a list of pairs.
#[derive(Debug)]
pub enum FieldsSchema {}

impl PartialSchema for FieldsSchema {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .additional_properties(Some(AdditionalProperties::RefOr(String::schema())));
        let pair =
            ArrayBuilder::new().items(JsonBytes::schema()).min_items(Some(2)).max_items(Some(2));
        let pairs = ArrayBuilder::new().items(pair);
        OneOfBuilder::new().item(object).item(pairs).into()
    }
}

impl ToSchema for FieldsSchema {
    fn name() -> Cow<'static, str> {
        "Fields".into()
    }
}
