//! Names, schemas and results made fit for whoever reads them next. All of it is pure.

pub(crate) mod name;
pub(crate) mod result;
pub(crate) mod schema;
