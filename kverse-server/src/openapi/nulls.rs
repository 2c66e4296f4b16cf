//! Where `null` cannot be: `Option` stands for it in Rust, but neither parameters nor most answers have it.

use utoipa::Modify;
use utoipa::openapi::path::{Parameter, PathItem};
use utoipa::openapi::schema::{OneOf, SchemaType, Type};
use utoipa::openapi::{Content, OpenApi, RefOr, Schema};

use super::operations_of;

/// Takes `null` out of parameters and whole bodies, and out of what answers leave out where there is nothing.
pub(super) struct NoNulls;

impl Modify for NoNulls {
    fn modify(&self, api: &mut OpenApi) {
        for parameter in api.paths.paths.values_mut().flat_map(parameters) {
            if let RefOr::T(parameter) = parameter
                && let Some(schema) = &mut parameter.schema
            {
                without_null(schema);
            }
        }
        for operation in api.paths.paths.values_mut().flat_map(operations_of) {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                let contents = body.content.values_mut();
                contents.for_each(|content| {
                    if let RefOr::T(Content {
                        schema: Some(schema),
                        ..
                    }) = content
                    {
                        without_null(schema);
                    }
                });
            }
        }
        let schemas = api
            .components
            .iter_mut()
            .flat_map(|components| &mut components.schemas);
        for (name, schema) in schemas {
            if (name.ends_with("Response") || name == "Problem")
                && let RefOr::T(Schema::Object(object)) = schema
            {
                let required = &object.required;
                let optional = object.properties.iter_mut();
                let optional = optional.filter(|(property, _)| !required.contains(property));
                optional.for_each(|(_, schema)| without_null(schema));
            }
        }
    }
}

fn parameters(item: &mut PathItem) -> impl Iterator<Item = &mut RefOr<Parameter>> {
    operations_of(item).flat_map(|operation| operation.parameters.iter_mut().flatten())
}

fn without_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => not_null(&mut object.schema_type),
        RefOr::T(Schema::Array(array)) => not_null(&mut array.schema_type),
        RefOr::T(Schema::OneOf(OneOf { items, .. })) => {
            items.retain(|item| !is_null(item));
            if let [_] = items.as_slice()
                && let Some(only) = items.pop()
            {
                *schema = only;
            }
        }
        _ => {}
    }
}

fn not_null(schema_type: &mut SchemaType) {
    if let SchemaType::Array(types) = schema_type {
        types.retain(|one| *one != Type::Null);
        if let [only] = types.as_slice() {
            *schema_type = SchemaType::Type(only.clone());
        }
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}
